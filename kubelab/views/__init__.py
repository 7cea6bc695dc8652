"""The views: pictures of a cluster that step, go back, and say why.

Here belongs what turns the trace and the objects of a cluster into pictures and words; nothing here
decides anything in the cluster, and a view never moves it except by the buttons that say so. Views
are handed a cluster and do not import it. Read `view.py` first (the contract and the stepping),
then `scheduler.py` as an example of a view, then `stage.py` and `view.js` for the page.
"""

from kubelab.views.charts import chart, series
from kubelab.views.chronicle import story
from kubelab.views.cluster import show as cluster
from kubelab.views.controllers import show as controllers
from kubelab.views.dashboard import show as dashboard
from kubelab.views.dns import show as dns
from kubelab.views.etcd import show as etcd
from kubelab.views.export import page as export
from kubelab.views.export import sheet
from kubelab.views.kubelet import show as kubelet
from kubelab.views.owners import show as owners
from kubelab.views.raft import show as raft
from kubelab.views.scheduler import show as scheduler
from kubelab.views.timeline import show as timeline
from kubelab.views.traffic import show as traffic

__all__ = [
    "chart",
    "cluster",
    "controllers",
    "dashboard",
    "dns",
    "etcd",
    "export",
    "kubelet",
    "owners",
    "raft",
    "scheduler",
    "series",
    "sheet",
    "story",
    "timeline",
    "traffic",
]
