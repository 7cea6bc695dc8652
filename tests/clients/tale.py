"""A working day at a cluster in more than a hundred commands, with what each must say.

A row is the arguments, the exit code, and words that the output or the complaint must hold. What
stands under a name in FILES is put into a file, whose path replaces `@NAME`.
"""

from __future__ import annotations

FILES = {
    "web": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: shop, image: "nginx:1.27", ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
""",
    "scaled": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: shop, image: "nginx:1.28", ports: [{containerPort: 80}]}
""",
    "wrong": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n",
    "strange": "apiVersion: nowhere.example/v1\nkind: Gadget\nmetadata: {name: g}\n",
    "typo": "apiVersion: v1\nkind: Pod\nmetadata: {name: t}\nspec: {contaners: []}\n",
    "map": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n",
}

TALE: tuple[tuple[str, int, str], ...] = (
    ("version", 0, "Server Version: v1.36.2"),
    ("cluster-info", 0, "Kubernetes control plane"),
    ("api-versions", 0, "apps/v1"),
    ("api-resources --namespaced=false", 0, "persistentvolumes"),
    ("api-resources --api-group=apps", 0, "statefulsets"),
    ("get nodes", 0, "node-1"),
    ("get nodes -o wide", 0, "containerd"),
    ("get nodes -o name", 0, "node/node-1"),
    ("get namespaces", 0, "kube-system"),
    ("get componentstatuses", 0, "etcd"),
    ("describe node node-1", 0, "Allocatable"),
    ("explain deployment.spec.replicas", 0, "FIELD: replicas <integer>"),
    ("explain pod.spec.containers --recursive", 0, "imagePullPolicy"),
    ("create namespace day", 0, "namespace/day created"),
    ("create namespace day", 1, 'namespaces "day" already exists'),
    ("create deployment web --image=nginx --replicas=2 -n day", 0, "deployment.apps/web created"),
    ("create configmap cm --from-literal=a=1 -n day", 0, "configmap/cm created"),
    ("create secret generic s --from-literal=p=q -n day", 0, "secret/s created"),
    ("create serviceaccount robot -n day", 0, "serviceaccount/robot created"),
    ("create role reader --verb=get,list --resource=pods -n day", 0, "role.rbac"),
    ("create rolebinding robot --role=reader --serviceaccount=day:robot -n day", 0, "created"),
    ("create clusterrole looker --verb=list --resource=nodes", 0, "created"),
    ("create clusterrolebinding jane --clusterrole=looker --user=jane", 0, "created"),
    ("create job once --image=busybox -n day -- echo hi", 0, "job.batch/once created"),
    ("create cronjob often --image=busybox --schedule=0/5_*_*_*_* -n day -- date", 0, "created"),
    ("create quota q --hard=configmaps=20 -n day", 0, "resourcequota/q created"),
    ("create service clusterip web --tcp=80:80 -n day", 0, "service/web created"),
    ("create service nodeport door --tcp=80:80 -n day", 0, "service/door created"),
    ("create service externalname out --external-name=example.com -n day", 0, "created"),
    ("create ingress way --rule=foo.example/=web:80 -n day", 0, "created"),
    ("create poddisruptionbudget pdb --selector=app=web --min-available=1 -n day", 0, "created"),
    ("create priorityclass high --value=1000", 0, "created"),
    ("create token robot -n day", 0, "ey"),
    ("create configmap dry --from-literal=a=1 --dry-run=server -n day", 0, "(server dry run)"),
    ("create configmap dry --from-literal=a=1 --dry-run=client -o yaml", 0, "kind: ConfigMap"),
    ("get configmap dry -n day", 1, 'configmaps "dry" not found'),
    ("apply -f @web -n day", 0, "deployment.apps/shop created"),
    ("apply -f @web -n day", 0, "deployment.apps/shop unchanged"),
    ("diff -f @scaled -n day", 1, "nginx:1.28"),
    ("apply -f @scaled -n day", 0, "deployment.apps/shop configured"),
    ("apply -f @map --server-side -n day", 0, "configmap/settings serverside-applied"),
    ("apply -f @map --server-side --field-manager=other -n day", 0, "serverside-applied"),
    ("apply -f @wrong -n day", 1, "a lowercase RFC 1123 subdomain"),
    ("apply -f @strange", 1, 'no matches for kind "Gadget"'),
    ("apply -f @typo -n day", 1, 'unknown field "spec.contaners"'),
    ("rollout status deployment/shop -n day --timeout=90s", 0, "successfully rolled out"),
    ("rollout history deployment/shop -n day", 0, "REVISION"),
    ("rollout undo deployment/shop -n day", 0, "rolled back"),
    ("rollout restart deployment/shop -n day", 0, "restarted"),
    ("rollout pause deployment/shop -n day", 0, "paused"),
    ("rollout resume deployment/shop -n day", 0, "resumed"),
    ("rollout status deployment/shop -n day --timeout=90s", 0, "successfully rolled out"),
    ("wait --for=condition=Available deployment/web -n day --timeout=90s", 0, "condition met"),
    ("wait --for=condition=complete job/once -n day --timeout=90s", 0, "condition met"),
    ("get all -n day", 0, "deployment.apps/web"),
    ("get pods -n day", 0, "Running"),
    ("get pods -n day -o wide", 0, "NOMINATED NODE"),
    ("get pods -n day -l app=web -o name", 0, "pod/web-"),
    ("get pods -n day --field-selector=status.phase=Running", 0, "shop-"),
    ("get pods -A", 0, "NAMESPACE"),
    ("get pods -n day --show-labels", 0, "app=web"),
    ("get pods -n day --sort-by=.metadata.name", 0, "NAME"),
    ("get deployment web -n day -o yaml", 0, "kind: Deployment"),
    ("get deployment web -n day -o json", 0, '"kind": "Deployment"'),
    ("get deployment web -n day -o jsonpath={.spec.replicas}", 0, "2"),
    ("get deploy -n day -o custom-columns=N:.metadata.name,R:.spec.replicas", 0, "web"),
    ("get services -n day", 0, "ClusterIP"),
    ("get endpointslices -n day", 0, "IPv4"),
    ("get ingress way -n day", 0, "foo.example"),
    ("get pdb,quota,cronjob -n day", 0, "poddisruptionbudget.policy/pdb"),
    ("get roles,rolebindings -n day", 0, "rolebinding.rbac.authorization.k8s.io/robot"),
    ("get clusterroles", 0, "cluster-admin"),
    ("get secret s -n day -o jsonpath={.data.p}", 0, "cQ=="),
    ("get nothing", 1, "the server doesn't have a resource type"),
    ("get pod nobody", 1, 'Error from server (NotFound): pods "nobody" not found'),
    ("get --raw /version", 0, '"major"'),
    ("describe deployment web -n day", 0, "RollingUpdateStrategy"),
    ("describe service web -n day", 0, "Endpoints:"),
    ("describe configmap cm -n day", 0, "Data"),
    ("describe pods -n day -l app=web", 0, "Node-Selectors"),
    ("events -n day", 0, "Scheduled"),
    ("get events -n day", 0, "Scheduled"),
    ("scale deployment web --replicas=3 -n day", 0, "deployment.apps/web scaled"),
    ("scale deployment web --current-replicas=3 --replicas=2 -n day", 0, "scaled"),
    ("autoscale deployment web --min=1 --max=4 --cpu=50% -n day", 0, "autoscaled"),
    ("set image deployment/web nginx=nginx:1.28 -n day", 0, "image updated"),
    ("set env deployment/web A=b -n day", 0, "env updated"),
    ("set resources deployment/web --limits=cpu=200m -n day", 0, "resource requirements updated"),
    ("set serviceaccount deployment/web robot -n day", 0, "serviceaccount updated"),
    ("label deployment web tier=front -n day", 0, "labeled"),
    ("label deployment web tier=back -n day", 1, "--overwrite is false"),
    ("label deployment web tier- -n day", 0, "unlabeled"),
    ("annotate deployment web note=x -n day", 0, "annotated"),
    ('patch deployment web -n day -p {"spec":{"replicas":1}}', 0, "patched"),
    ('patch deployment web -n day --type=merge -p {"spec":{"replicas":2}}', 0, "patched"),
    (
        'patch deployment web -n day --type=json -p [{"op":"remove","path":"/spec/nothing"}]',
        1,
        "the server rejected our request",
    ),
    ("expose deployment shop --name=again --port=80 -n day", 0, "service/again exposed"),
    ("run one --image=nginx -n day", 0, "pod/one created"),
    ("wait --for=condition=Ready pod/one -n day --timeout=90s", 0, "condition met"),
    ("cordon node-1", 0, "node/node-1 cordoned"),
    ("get nodes", 0, "SchedulingDisabled"),
    ("uncordon node-1", 0, "node/node-1 uncordoned"),
    ("taint nodes node-1 a=b:NoSchedule", 0, "node/node-1 tainted"),
    ("taint nodes node-1 a-", 0, "node/node-1 untainted"),
    ("auth whoami", 0, "kubernetes-admin"),
    ("auth can-i list pods", 0, "yes"),
    ("auth can-i list pods -n day --as=system:serviceaccount:day:robot", 0, "yes"),
    ("auth can-i delete pods -n day --as=system:serviceaccount:day:robot", 1, "no"),
    ("auth can-i --list -n day --as=jane", 0, "selfsubjectreviews"),
    ("get nodes --as=jane", 0, "node-1"),
    ("get pods -n day --as=jane", 1, 'User "jane" cannot list resource "pods"'),
    ("config current-context", 0, "kubelab"),
    ("delete pod one -n day --grace-period=0 --force", 0, 'pod "one" force deleted'),
    ("delete pod nobody -n day", 1, "not found"),
    ("delete pod nobody -n day --ignore-not-found", 0, ""),
    ("delete deployment,service -l app=shop -n day", 0, "deleted"),
    ("delete job once -n day", 0, "deleted"),
    ("delete configmap cm settings -n day", 0, "deleted"),
    ("delete namespace day --timeout=90s", 0, 'namespace "day" deleted'),
    ("get namespace day", 1, "not found"),
)
