"""Real clients against the server: kubectl and libraries that know nothing of kubelab."""
