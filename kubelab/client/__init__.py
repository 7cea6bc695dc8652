"""How every component talks to the API server: requests, informers, work queues, control loops.

Here belongs what client-go gives to Kubernetes' own components. What a particular controller,
kubelet or scheduler does does not belong here, nor does anything of the server's side. Read
`client.py`, then `informer.py` and `controller.py`.
"""
