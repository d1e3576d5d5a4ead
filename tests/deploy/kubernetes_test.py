#!/usr/bin/python3
"""The Kubernetes manifests of deploy/, without a cluster.

Debian has no validator that knows the published schemas, so this is a structural test: every
field of every object is one of those written down in FIELDS below, by the names and types of the
Kubernetes API (batch/v1, v1) and of the Prometheus operator. On top of that: what the program's
exit codes mean there, that whatever is referred to exists, and that promtool and the program
itself accept what they would be given. Overlays are built by a small strategic merge of our own,
and compared with `kubectl kustomize` where there is one that is new enough.

usage: kubernetes_test.py BACKFILL
"""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
BACKFILL = ""

ANY_MAP = {str: str}
METADATA = {"name": str, "namespace": str, "labels": ANY_MAP, "annotations": ANY_MAP}
CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "env": [{"name": str, "value": str}],
    "envFrom": [{"secretRef": {"name": str}}],
    "ports": [{"name": str, "containerPort": int}],
    "terminationMessagePolicy": str,
    "resources": {"requests": ANY_MAP, "limits": ANY_MAP},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "capabilities": {"drop": [str]},
    },
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
}
POD = {
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "automountServiceAccountToken": bool,
    "securityContext": {
        "runAsNonRoot": bool,
        "runAsUser": int,
        "runAsGroup": int,
        "fsGroup": int,
        "seccompProfile": {"type": str},
    },
    "containers": [CONTAINER],
    "volumes": [
        {
            "name": str,
            "configMap": {"name": str},
            "persistentVolumeClaim": {"claimName": str},
            "emptyDir": {"sizeLimit": str},
        }
    ],
}
JOB = {
    "backoffLimit": int,
    "activeDeadlineSeconds": int,
    "podFailurePolicy": {
        "rules": [
            {
                "action": str,
                "onPodConditions": [{"type": str, "status": str}],
                "onExitCodes": {"containerName": str, "operator": str, "values": [int]},
            }
        ]
    },
    "template": {"metadata": METADATA, "spec": POD},
}
FIELDS = {
    ("v1", "Namespace"): {},
    ("v1", "PersistentVolumeClaim"): {
        "spec": {"accessModes": [str], "resources": {"requests": ANY_MAP}}
    },
    ("v1", "ConfigMap"): {"data": ANY_MAP},
    ("v1", "Secret"): {"type": str, "stringData": ANY_MAP, "data": ANY_MAP},
    ("batch/v1", "Job"): {"spec": JOB},
    ("batch/v1", "CronJob"): {
        "spec": {
            "schedule": str,
            "timeZone": str,
            "concurrencyPolicy": str,
            "startingDeadlineSeconds": int,
            "successfulJobsHistoryLimit": int,
            "failedJobsHistoryLimit": int,
            "jobTemplate": {"metadata": METADATA, "spec": JOB},
        }
    },
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "spec": {
            "selector": {"matchLabels": ANY_MAP},
            "podMetricsEndpoints": [{"port": str, "interval": str, "honorLabels": bool}],
        }
    },
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "spec": {
            "groups": [
                {
                    "name": str,
                    "rules": [
                        {
                            "alert": str,
                            "expr": str,
                            "for": str,
                            "labels": ANY_MAP,
                            "annotations": ANY_MAP,
                        }
                    ],
                }
            ]
        }
    },
}
# Lists that a strategic merge joins by a key; others are replaced.
MERGE_KEYS = {"containers": "name", "env": "name", "volumes": "name", "ports": "containerPort"}


def strays(value, shape, where):
    """What of `value` the API would not know."""
    if isinstance(shape, type):
        return [] if type(value) is shape else [f"{where}: {value!r} is no {shape.__name__}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: is no list"]
        return [s for i, one in enumerate(value) for s in strays(one, shape[0], f"{where}[{i}]")]
    if not isinstance(value, dict):
        return [f"{where}: is no object"]
    found = []
    for name, one in value.items():
        known = shape.get(str) if str in shape else shape.get(name)
        found += [f"{where}.{name}: unknown"] if known is None else strays(one, known, f"{where}.{name}")
    return found


def read(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def merged(base, patch, name=""):
    if isinstance(base, dict) and isinstance(patch, dict):
        return {
            **base,
            **{k: merged(base[k], v, k) if k in base else v for k, v in patch.items()},
        }
    if isinstance(base, list) and name in MERGE_KEYS:
        key = MERGE_KEYS[name]
        rest = {one[key]: one for one in base}
        joined = {one[key]: merged(rest.get(one[key], {}), one) for one in patch}
        # As kustomize does: what the patch adds comes first.
        added = [joined[k] for k in joined if k not in rest]
        return added + [joined.get(one[key], one) for one in base]
    return patch


def built(folder):
    """The objects of a kustomization, without the hashes of generated names."""
    rules = yaml.safe_load((folder / "kustomization.yaml").read_text())
    objects = []
    for resource in rules.get("resources", []):
        path = (folder / resource).resolve()
        objects += built(path) if path.is_dir() else read(path)
    for generated in rules.get("configMapGenerator", []):
        data = {name: (folder / name).read_text() for name in generated["files"]}
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": generated["name"]},
                "data": data,
            }
        )
    for patch in rules.get("patches", []):
        for change in read(folder / patch["path"]):
            at = [
                i
                for i, one in enumerate(objects)
                if one["kind"] == change["kind"]
                and one["metadata"]["name"] == change["metadata"]["name"]
            ]
            if len(at) != 1:
                raise AssertionError(f"{folder.name}: a patch for {len(at)} objects")
            if change.get("$patch") == "delete":
                del objects[at[0]]
            else:
                objects[at[0]] = merged(objects[at[0]], change)
    objects = copy.deepcopy(objects)
    for one in objects:
        if "namespace" in rules and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = rules["namespace"]
    return objects


def by_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def job_specs(objects):
    return [one["spec"]["jobTemplate"]["spec"] for one in by_kind(objects, "CronJob")] + [
        one["spec"] for one in by_kind(objects, "Job")
    ]


def container_of(spec):
    return spec["template"]["spec"]["containers"][0]


def environment_of(spec):
    return {one["name"]: one["value"] for one in container_of(spec)["env"]}


BUILDS = {path.parent.name: built(path.parent) for path in sorted(ROOT.rglob("kustomization.yaml"))}


class Manifests(unittest.TestCase):
    def test_have_no_field_that_the_api_does_not_know(self):
        for name, objects in BUILDS.items():
            for one in objects:
                shape = FIELDS[(one["apiVersion"], one["kind"])]
                shape = {"apiVersion": str, "kind": str, "metadata": METADATA, **shape}
                self.assertEqual(strays(one, shape, f"{name} {one['kind']}"), [])

    def test_leave_no_file_out(self):
        for path in ROOT.rglob("*.yaml"):
            if path.name != "kustomization.yaml":
                self.assertIn(path.name, (path.parent / "kustomization.yaml").read_text(), path)

    def test_run_one_pod_at_a_time_that_goes_on_from_its_checkpoint(self):
        for name, objects in BUILDS.items():
            self.assertEqual(len(job_specs(objects)), 1, name)
            for cron in by_kind(objects, "CronJob"):
                self.assertEqual(cron["spec"]["concurrencyPolicy"], "Forbid")
                self.assertTrue(cron["spec"]["timeZone"])
                self.assertGreater(cron["spec"]["startingDeadlineSeconds"], 0)
            for spec in job_specs(objects):
                self.assertEqual(container_of(spec)["args"][-1], "--resume")
                self.assertEqual(spec["template"]["spec"]["restartPolicy"], "Never")

    def test_tell_by_the_exit_code_whether_to_try_again(self):
        for objects in BUILDS.values():
            for spec in job_specs(objects):
                rules = spec["podFailurePolicy"]["rules"]
                self.assertEqual([rule["action"] for rule in rules], ["Ignore", "FailJob", "Count"])
                self.assertEqual(rules[0]["onPodConditions"], [{"type": "DisruptionTarget"}])
                for rule in rules[1:]:
                    self.assertEqual(rule["onExitCodes"]["operator"], "In")
                    self.assertEqual(
                        rule["onExitCodes"]["containerName"], container_of(spec)["name"]
                    )
                self.assertEqual(rules[1]["onExitCodes"]["values"], [2, 3, 4, 5])
                self.assertEqual(rules[2]["onExitCodes"]["values"], [1, 6, 7, 75])

    def test_leave_a_stopped_run_the_time_to_save_and_to_push(self):
        for objects in BUILDS.values():
            for spec in job_specs(objects):
                grace = int(environment_of(spec)["BACKFILL_GRACE"].removesuffix("s"))
                self.assertGreater(
                    spec["template"]["spec"]["terminationGracePeriodSeconds"], grace + 5 + 15
                )

    def test_give_the_program_no_more_than_it_needs(self):
        for objects in BUILDS.values():
            for spec in job_specs(objects):
                pod = spec["template"]["spec"]
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                self.assertFalse(pod["automountServiceAccountToken"])
                own = container_of(spec)["securityContext"]
                self.assertTrue(own["readOnlyRootFilesystem"])
                self.assertFalse(own["allowPrivilegeEscalation"])
                self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
                self.assertIn("memory", container_of(spec)["resources"]["limits"])

    def test_refer_only_to_what_is_there(self):
        for objects in BUILDS.values():
            names = {(one["kind"], one["metadata"]["name"]) for one in objects}
            for spec in job_specs(objects):
                pod = spec["template"]["spec"]
                for one in container_of(spec)["envFrom"]:
                    self.assertIn(("Secret", one["secretRef"]["name"]), names)
                for volume in pod["volumes"]:
                    if "configMap" in volume:
                        self.assertIn(("ConfigMap", volume["configMap"]["name"]), names)
                    if "persistentVolumeClaim" in volume:
                        claim = volume["persistentVolumeClaim"]["claimName"]
                        self.assertIn(("PersistentVolumeClaim", claim), names)
                mounted = {one["name"]: one["mountPath"] for one in container_of(spec)["volumeMounts"]}
                self.assertEqual(set(mounted), {volume["name"] for volume in pod["volumes"]})
                self.assertEqual(container_of(spec)["args"][1], mounted["job"] + "/job.toml")
                checkpoint = environment_of(spec)["BACKFILL_CHECKPOINT"]
                self.assertTrue(checkpoint.startswith(mounted["checkpoint"] + "/"))
                ports = {one["name"]: one["containerPort"] for one in container_of(spec)["ports"]}
                listens = environment_of(spec)["BACKFILL_METRICS_LISTEN"]
                self.assertEqual(f":{ports['metrics']}", listens)
                for monitor in by_kind(objects, "PodMonitor"):
                    wanted = monitor["spec"]["selector"]["matchLabels"].items()
                    self.assertLessEqual(wanted, spec["template"]["metadata"]["labels"].items())
                    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                        self.assertIn(endpoint["port"], ports)
                        self.assertTrue(endpoint["honorLabels"])
            for one in objects:
                self.assertIn(one["metadata"].get("namespace", "backfill"), ["backfill"])

    def test_of_the_one_shot_job_are_those_of_the_cronjob(self):
        self.assertEqual(job_specs(BUILDS["once"]), job_specs(BUILDS["base"]))

    def test_of_the_nights_change_when_and_nothing_else(self):
        nights = by_kind(BUILDS["off-peak"], "CronJob")[0]["spec"]
        days = by_kind(BUILDS["base"], "CronJob")[0]["spec"]
        self.assertNotEqual(nights["schedule"], days["schedule"])
        spec = nights["jobTemplate"]["spec"]
        self.assertIn("BACKFILL_MAX_RUNTIME", environment_of(spec))
        environment = environment_of(spec)
        del environment["BACKFILL_MAX_RUNTIME"]
        self.assertEqual(environment, environment_of(days["jobTemplate"]["spec"]))
        self.assertEqual(spec["podFailurePolicy"], days["jobTemplate"]["spec"]["podFailurePolicy"])

    def test_are_what_kubectl_builds(self):
        kubectl = shutil.which("kubectl")
        said = subprocess.run(
            [kubectl or "false", "version", "--client", "--output=json"], capture_output=True
        )
        version = json.loads(said.stdout or "{}").get("kustomizeVersion", "v0")
        if int(version.lstrip("v").split(".")[0]) < 4:
            self.skipTest("no kubectl with a kustomize of version 4 or later")
        for path in ROOT.rglob("kustomization.yaml"):
            text = subprocess.run(
                [kubectl, "kustomize", path.parent], capture_output=True, text=True, check=True
            ).stdout
            text = re.sub(r"\b(backfill-job)-[0-9a-z]{10}\b", r"\1", text)
            key = lambda one: (one["kind"], one["metadata"]["name"])
            theirs = sorted((one for one in yaml.safe_load_all(text)), key=key)
            ours = sorted(BUILDS[path.parent.name], key=key)
            self.assertEqual([key(one) for one in ours], [key(one) for one in theirs])
            for our, their in zip(ours, theirs):
                if our["kind"] in ("CronJob", "Job"):
                    for spec in job_specs([their]):
                        image = container_of(spec)["image"]
                        self.assertEqual(image, "backfill:latest")
                        container_of(spec)["image"] = "backfill"
                their["metadata"].pop("namespace", None)
                our["metadata"].pop("namespace", None)
                self.assertEqual(our, their)


class Program(unittest.TestCase):
    def test_reads_the_job_file(self):
        with tempfile.TemporaryDirectory() as scratch:
            said = subprocess.run(
                [BACKFILL, "status", ROOT / "base/job.toml", "--json"]
                + ["--checkpoint", f"{scratch}/none.db"],
                capture_output=True,
                text=True,
            )
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual(json.loads(said.stdout)["job"], "split-full-name")

    def test_knows_every_option_that_the_environment_names(self):
        usage = subprocess.run([BACKFILL, "run", "--help"], capture_output=True, text=True).stdout
        for objects in BUILDS.values():
            for spec in job_specs(objects):
                for name in environment_of(spec):
                    option = name.removeprefix("BACKFILL_").lower().replace("_", "-")
                    self.assertRegex(usage, rf"--{option}\b")

    def test_takes_the_values_that_the_environment_gives(self):
        for objects in BUILDS.values():
            for spec in job_specs(objects):
                said = subprocess.run(
                    [BACKFILL, "status", ROOT / "base/job.toml"],
                    capture_output=True,
                    text=True,
                    env=environment_of(spec),
                )
                self.assertEqual(said.returncode, 0, said.stderr)
                runtime = environment_of(spec).get("BACKFILL_MAX_RUNTIME")
                if runtime:
                    said = subprocess.run(
                        [BACKFILL, "status", ROOT / "base/job.toml", "--checkpoint=/nowhere"]
                        + ["--set", f"schedule.max_runtime={runtime}"],
                        capture_output=True,
                        text=True,
                    )
                    self.assertEqual(said.returncode, 0, said.stderr)


class Alerts(unittest.TestCase):
    def promtool(self, *words):
        said = subprocess.run(["promtool", *words], capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_fire_when_they_should_and_only_then(self):
        rule = by_kind(BUILDS["base"], "PrometheusRule")[0]
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            (folder / "alerts.yaml").write_text(yaml.safe_dump(rule["spec"]))
            shutil.copy(pathlib.Path(__file__).with_name("alerts_test.yaml"), folder)
            self.promtool("check", "rules", str(folder / "alerts.yaml"))
            self.promtool("test", "rules", str(folder / "alerts_test.yaml"))


if __name__ == "__main__":
    BACKFILL = sys.argv.pop(1)
    unittest.main()
