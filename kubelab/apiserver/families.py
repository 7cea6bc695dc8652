"""The IP families of a Service: filled in, and checked against what the cluster has.

A Service is SingleStack unless it says otherwise. PreferDualStack takes the second family where the
cluster has one, RequireDualStack insists on it. Changing the policy is how a Service gets a second
address, or gives it up; one that preferred both stays as it is when nothing else changes. A
headless Service without a selector may name both families anywhere: nobody gives it addresses.

In Kubernetes: initIPFamilyFields in pkg/registry/core/service/storage/alloc.go, and
ValidateServiceClusterIPsRelatedFields in pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import FieldError
from kubelab.api.fielderrors import wrong
from kubelab.api.objects import NOTHING, Obj, freeze, get, merged, with_

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def family_of(address: str) -> str:
    """`IPv4` or `IPv6`."""
    return "IPv6" if ":" in address else "IPv4"


def fill_in(
    service: Obj, old: Obj | None, configured: tuple[str, ...]
) -> tuple[Obj, list[FieldError]]:
    """The Service with its families; `configured` are the cluster's, the default one first."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return service, []
    addresses = [ip for ip in get(spec, "clusterIPs", default=NOTHING) if ip]
    families = list(get(spec, "ipFamilies", default=NOTHING))
    policy = spec.get("ipFamilyPolicy")
    if _still_prefers(policy, addresses, families, old):
        return service, []
    free = addresses[:1] == ["None"] and not spec.get("selector")
    policy = policy or (get(old, "spec", "ipFamilyPolicy") if old is not None else None)
    policy = policy or (REQUIRE if free else SINGLE)
    errors = _mismatched(addresses, families)
    errors += _reduced(policy, addresses, families, old)
    if policy == SINGLE and old is not None:
        # With nothing else changed the policy alone says that the second one is to go.
        if addresses == list(get(old, "spec", "clusterIPs", default=NOTHING)):
            addresses = addresses[:1]
        if families == list(get(old, "spec", "ipFamilies", default=NOTHING)):
            families = families[:1]
    errors += _too_many(policy, addresses, families)
    for at, address in enumerate(addresses):
        if address == "None":
            break
        if at >= len(families):
            family = family_of(address)
            if family not in configured:
                text = f"{family} is not configured on this cluster"
                errors.append(wrong(f"spec.clusterIPs[{at}]", freeze(addresses), text))
            else:
                families.append(family)
    if not errors:
        errors = [] if free else _not_there(policy, families, configured)
    if errors:
        return service, errors
    families = families or [configured[0]]
    if policy != SINGLE and len(families) == 1 and (free or len(configured) == 2):
        families.append(OTHER[families[0]])
    changed = merged(spec, ipFamilies=families, ipFamilyPolicy=policy)
    if addresses:
        changed = merged(changed, clusterIPs=addresses)
    return with_(service, ("spec",), changed), []


def _still_prefers(
    policy: str | None, addresses: list[str], families: list[str], old: Obj | None
) -> bool:
    """Whether nothing has changed of a Service that prefers both families."""
    if old is None or policy != PREFER or get(old, "spec", "ipFamilyPolicy") != PREFER:
        return False
    same = addresses == list(get(old, "spec", "clusterIPs", default=NOTHING))
    return same and families == list(get(old, "spec", "ipFamilies", default=NOTHING))


def _mismatched(addresses: list[str], families: list[str]) -> list[FieldError]:
    """Addresses that are not of the families beside them, or not one of each."""
    if addresses[:1] == ["None"]:
        if len(addresses) > 1:
            text = "'None' must be the first and only value"
            return [wrong("spec.clusterIPs", freeze(addresses), text)]
        return []
    if len(addresses) > 2:
        return [wrong("spec.clusterIPs", freeze(addresses), "may only hold up to 2 values")]
    errors = []
    if len(addresses) == 2 and family_of(addresses[0]) == family_of(addresses[1]):
        text = "may specify no more than one IP for each IP family"
        errors.append(wrong("spec.clusterIPs", freeze(addresses), text))
    for at, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if family_of(address) != family:
            article = f"expected an {family} value as indicated by `ipFamilies[{at}]`"
            errors.append(wrong(f"spec.clusterIPs[{at}]", address, article))
    return errors


def _reduced(
    policy: str, addresses: list[str], families: list[str], old: Obj | None
) -> list[FieldError]:
    """A second address or family that goes without a policy that says so."""
    if old is None or policy == SINGLE:
        return []
    errors = []
    for now, field, what in (
        (addresses, "clusterIPs", "cluster IP"), (families, "ipFamilies", "IP family"),
    ):  # fmt: skip
        if now and len(now) < len(get(old, "spec", field, default=NOTHING)):
            text = f"must be 'SingleStack' to release the secondary {what}"
            errors.append(wrong("spec.ipFamilyPolicy", policy, text))
    return errors


def _too_many(policy: str, addresses: list[str], families: list[str]) -> list[FieldError]:
    """Two of something under a policy for one."""
    errors = []
    for now, what in ((addresses, "cluster IPs"), (families, "IP families")):
        if policy == SINGLE and len(now) == 2:
            text = (
                f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are "
                "specified"
            )
            errors.append(wrong("spec.ipFamilyPolicy", policy, text))
    return errors


def _not_there(policy: str, families: list[str], configured: tuple[str, ...]) -> list[FieldError]:
    """What is wished of families that this cluster does not have."""
    errors = []
    if policy == REQUIRE and len(configured) < 2:
        text = "this cluster is not configured for dual-stack services"
        errors.append(wrong("spec.ipFamilyPolicy", policy, text))
    for at, family in enumerate(families):
        if family not in configured:
            text = "not configured on this cluster"
            errors.append(wrong(f"spec.ipFamilies[{at}]", family, text))
    return errors


def changed(before: Any, after: Any) -> list[FieldError]:
    """What an update may not do to the addresses and families of a Service's spec."""
    if "ExternalName" in (before.get("type"), after.get("type")):
        return []
    headless = [get(spec, "clusterIPs", 0) == "None" for spec in (before, after)]
    if all(headless):
        return []
    errors = []
    for field in ("clusterIPs", "ipFamilies"):
        if field == "ipFamilies" and headless[0] is not headless[1]:
            continue
        old = list(get(before, field, default=NOTHING))
        new = list(get(after, field, default=NOTHING))
        if not new:
            # What is left out is filled in from the earlier object.
            continue
        shared = range(min(len(old), len(new))) if len(old) == len(new) else range(bool(old))
        for at in shared:
            if old[at] != new[at]:
                place = at if field == "clusterIPs" else 0
                text = "may not change once set"
                errors.append(wrong(f"spec.{field}[{place}]", freeze(new), text))
        if len(old) > len(new) and after.get("ipFamilyPolicy") != SINGLE:
            what = "clusterIP" if field == "clusterIPs" else "ipFamily"
            text = f"must be set to 'SingleStack' when releasing the secondary {what}"
            errors.append(wrong("spec.ipFamilyPolicy", after.get("ipFamilyPolicy"), text))
    return errors
