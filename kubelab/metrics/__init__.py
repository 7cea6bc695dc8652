"""metrics-server: what pods and nodes use, gathered from the kubelets and served as an API.

Here: the process and the API metrics.k8s.io that it serves behind the API server. Not here: what a
container uses (`kubelet/usage.py`), who acts upon it (`controllers/horizontal.py`), and how a
request finds its way (`apiserver/aggregation.py`). Read `server.py`.
"""
