"""kubelab: how Kubernetes works inside, a whole cluster in one process."""
