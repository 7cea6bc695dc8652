"""The course: questions, exercises and broken clusters, all judged by the running cluster.

    from kubelab.learn import predict, check, hint, recall, card, incident, report
    predict("01.a")             a question before something happens; commit a guess
    check("01.a", c)            what the trace says; and was the guess right?
    check("01.1", c)            has the exercise been solved?
    incident(1)                 a broken cluster to mend
    report()                    what is done, and which ideas to look at again

Here belongs what asks and judges; nothing here is part of a cluster. No right answer is stored: a
question holds a function that reads it from a trace, so it stays right whatever the learner did.
Read `catalogue.py` first (what a question is), then `ways.py` (how things are judged), then a unit.
"""

from kubelab.learn.lab import incident
from kubelab.learn.progress import report
from kubelab.learn.session import check, hint, predict, recall
from kubelab.learn.statements import card

__all__ = ["card", "check", "hint", "incident", "predict", "recall", "report"]
