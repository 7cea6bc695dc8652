"""Who may do what: tokens, anonymous callers, roles, impersonation and reviews."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.user import make_request

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHN = "/apis/authentication.k8s.io/v1"
AUTHZ = "/apis/authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
FORBIDDEN = 'is forbidden: User "jane" cannot'


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """A cluster that stands still."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.settle()
    return cluster


@pytest.fixture
def c(settled) -> Cluster:
    """A cluster of the test's own."""
    return settled.fork()


def as_user(cluster, user, method, path, body=None, *groups):
    """A request in somebody's name."""
    headers = {"Impersonate-User": user}
    if groups:
        headers["Impersonate-Group"] = "\n".join(groups)
    return cluster.request(method, path, body, headers)


def grant(cluster, role, user, kind="User", namespace="default"):
    """Binds a ClusterRole to somebody in a namespace."""
    subject = {"kind": kind, "name": user}
    subject |= {"namespace": "default"} if kind == "ServiceAccount" else {"apiGroup": GROUP}
    answer = cluster.request(
        "POST",
        f"{RBAC}/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": f"{role}-{user}"},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        },
    )
    assert answer.status == 201, answer.message


def token(cluster, **spec) -> str:
    """A token of default's service account."""
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    answer = cluster.request("POST", path, {"spec": spec})
    assert answer.status == 201, answer.message
    return answer.body["status"]["token"]


def with_token(cluster, text, method="GET", path="/api/v1/namespaces/default/pods", body=None):
    """A request that shows a token."""
    return cluster.request(method, path, body, {"Authorization": f"Bearer {text}"})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "/api/v1/pods",
            f'pods {FORBIDDEN} list resource "pods" in API group "" at the cluster scope',
        ),
        (
            "/api/v1/namespaces/shop/pods/x/log",
            f'pods "x" {FORBIDDEN} get resource "pods/log" in API group "" in the namespace "shop"',
        ),
        (
            "/apis/apps/v1/namespaces/shop/deployments/web",
            f'deployments.apps "web" {FORBIDDEN} get resource "deployments" in API group "apps" '
            'in the namespace "shop"',
        ),
        ("/metrics", 'forbidden: User "jane" cannot get path "/metrics"'),
    ],
)
def test_what_no_rule_allows_is_refused(c, path, words):
    """403 names the user, the verb, the resource, its group and where."""
    answer = as_user(c, "jane", "GET", path)
    assert (answer.status, answer.reason, answer.message) == (403, "Forbidden", words)


@pytest.mark.parametrize(
    ("path", "anonymous", "known"),
    [("/version", 200, 200), ("/healthz", 200, 200), ("/api", 403, 200), ("/apis", 403, 200),
     ("/api/v1/nodes", 403, 403)],
)  # fmt: skip
def test_what_everybody_may_read(c, path, anonymous, known):
    """Anybody may ask for health and version, whoever is known for discovery."""
    nobody = c.ask(make_request("GET", path, None, {}, ""))
    assert (nobody.status, as_user(c, "jane", "GET", path).status) == (anonymous, known)


def test_a_wrong_token_is_401(c):
    """A token that is nobody's is not anonymous: it is refused."""
    answer = with_token(c, "wrong", path="/version")
    assert (answer.status, answer.reason, answer.message) == (401, "Unauthorized", "Unauthorized")


def test_a_token_speaks_for_its_service_account(c):
    """What the account may do, the bearer of its token may do, and nothing else."""
    text = token(c)
    refused = with_token(c, text)
    assert 'User "system:serviceaccount:default:default" cannot list' in refused.message
    grant(c, "view", "default", "ServiceAccount")
    assert with_token(c, text).status == 200
    assert with_token(c, text, "POST", body={"kind": "Pod"}).status == 403


def test_a_token_ends(c):
    """After its time a token is worth nothing; nor after its account is gone."""
    text = token(c, expirationSeconds=600)
    grant(c, "view", "default", "ServiceAccount")
    twin = c.fork()
    assert with_token(c, text).status == 200
    c.run(601)
    assert with_token(c, text).status == 401
    twin.delete("ServiceAccount", "default")
    twin.settle()
    assert with_token(twin, text).status == 401


def test_a_token_lasts_ten_minutes_at_least(c):
    """A shorter time is 422 in Kubernetes' words."""
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    answer = c.request("POST", path, {"spec": {"expirationSeconds": 10}})
    assert answer.status == 422
    assert "may not specify a duration less than 10 minutes" in answer.message


def test_a_changed_token_is_refused(c):
    """The signature covers all that a token says."""
    head, claims, signature = token(c).split(".")
    flipped = claims[:-2] + ("A" if claims[-2] != "A" else "B") + claims[-1]
    assert with_token(c, f"{head}.{flipped}.{signature}").status == 401


def test_impersonation_needs_its_verb(c):
    """Only whoever may impersonate a user becomes that user."""
    text = token(c)
    headers = {"Authorization": f"Bearer {text}", "Impersonate-User": "jane"}
    answer = c.request("GET", "/api/v1/pods", None, headers)
    assert answer.message == (
        'users "jane" is forbidden: User "system:serviceaccount:default:default" cannot '
        'impersonate resource "users" in API group "" at the cluster scope'
    )


def test_roles_edit_and_view(c):
    """`view` reads but sees no secrets; `edit` writes but makes no roles; `admin` does both."""
    paths = {
        "pods": ("GET", "/api/v1/namespaces/default/pods"),
        "secrets": ("GET", "/api/v1/namespaces/default/secrets"),
        "roles": ("GET", f"{RBAC}/namespaces/default/roles"),
    }
    for role, seen in (("view", "pods"), ("edit", "pods secrets"), ("admin", "pods secrets roles")):
        grant(c, role, f"user-{role}")
        allowed = [n for n, p in paths.items() if as_user(c, f"user-{role}", *p).status == 200]
        assert allowed == seen.split()


def test_an_aggregated_role_takes_in_new_rules(c):
    """A ClusterRole with the label adds to `view` what it allows."""
    grant(c, "view", "jane")
    path = f"{RBAC}/namespaces/default/roles"
    assert as_user(c, "jane", "GET", path).status == 403
    labels = {f"{GROUP}/aggregate-to-view": "true"}
    rules = [{"verbs": ["list"], "apiGroups": [GROUP], "resources": ["roles"]}]
    more = {"metadata": {"name": "more", "labels": labels}, "rules": rules}
    assert c.request("POST", f"{RBAC}/clusterroles", more).status == 201
    c.settle()
    assert as_user(c, "jane", "GET", path).status == 200


def test_nobody_gives_more_than_he_has(c):
    """A namespace's admin may grant what he holds, and not a verb more."""
    grant(c, "admin", "jane")

    def role(name, verb, resource):
        rules = [{"verbs": [verb], "apiGroups": [""], "resources": [resource]}]
        body = {"metadata": {"name": name}, "rules": rules}
        return as_user(c, "jane", "POST", f"{RBAC}/namespaces/default/roles", body)

    assert role("reader", "get", "pods").status == 201
    refused = role("nodes", "get", "nodes")
    assert refused.status == 403
    assert refused.message == (
        'roles.rbac.authorization.k8s.io "nodes" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently '
        'held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}'
    )


def test_who_am_i(c):
    """A SelfSubjectReview tells name and groups."""
    answer = as_user(c, "jane", "POST", f"{AUTHN}/selfsubjectreviews", {}, "devs", "ops")
    assert answer.status == 201
    info = answer.body["status"]["userInfo"]
    assert info == {"username": "jane", "groups": ["devs", "ops", "system:authenticated"]}


def test_a_review_answers_as_the_request_would(c):
    """A SubjectAccessReview allows what the binding allows, and says which."""
    grant(c, "view", "jane")

    def review(verb):
        wanted = {"verb": verb, "resource": "pods", "namespace": "default"}
        spec = {"user": "jane", "resourceAttributes": wanted}
        return c.request("POST", f"{AUTHZ}/subjectaccessreviews", {"spec": spec}).body["status"]

    assert review("list") == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "default/view-jane" of ClusterRole "view" to User '
        '"jane"',
    }
    assert review("delete") == {"allowed": False}


def test_a_token_review_knows_whose_it_is(c):
    """TokenReview gives user and audiences for a good token, an error for a bad one."""
    good = c.request("POST", f"{AUTHN}/tokenreviews", {"spec": {"token": token(c)}})
    status = good.body["status"]
    assert (status["authenticated"], status["user"]["username"]) == (
        True,
        "system:serviceaccount:default:default",
    )
    bad = c.request("POST", f"{AUTHN}/tokenreviews", {"spec": {"token": "no"}})
    assert "authenticated" not in bad.body["status"]
    assert "invalid bearer token" in bad.body["status"]["error"]


def test_the_trace_says_who_let_it_pass(c):
    """The event of a request names the user and the binding that allowed it."""
    grant(c, "view", "jane")
    as_user(c, "jane", "GET", "/api/v1/namespaces/default/pods")
    event = next(e for e in reversed(c.trace) if e.verb == "request")
    assert event.detail["impersonates"] == "jane"
    assert "view-jane" in event.detail["authorized_by"]
