#!/usr/bin/python3
"""Reads every YAML file below examples/ and holds the Kubernetes Job and the GitHub workflows to what they need.

No cluster and no runner is asked: what it knows of their formats stands here. That a check can fail is shown on broken
copies of the two files that run in shards.
Usage: examples_yaml.py      Prints a line per check. Exit status: 0 all hold, 1 not, 2 there is no YAML reader.
"""
import pathlib
import re
import sys

try:
    import yaml
except ImportError:
    print("examples_yaml: Python's module yaml is missing; Debian's package is python3-yaml", file=sys.stderr)
    sys.exit(2)

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
JOB = EXAMPLES / "kubernetes" / "job.yaml"
MATRIX = EXAMPLES / "ci" / "github-matrix.yml"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SHARD = re.compile(r"--shard[ =]\$\{\{ *matrix\.(\w+) *\}\}/(\d+)(?!\d)")

# Each text, put in place of the first, makes the file one that must not pass.
JOB_FAULTS = (("batch/v1", "batch/v1beta1"), ("completionMode: Indexed", "completionMode: NonIndexed"),
              ("completions: 4", "completions: 5"), ("parallelism: 4", "parallelism: 2"), ('value: "4"', 'value: "3"'),
              ('value: "4"', "value: 4"), ("backoffLimit: 4", "backoffLimit: 40"),
              ("backoffLimitPerIndex: 0", "backoffLimitPerIndex: 1"), ("restartPolicy: Never", "restartPolicy: OnFailure"),
              ("privileged: true", "privileged: false"),
              ("- name: dev\n              mountPath", "- name: gone\n              mountPath"),
              ("mountPath: /dev", "mountPath: /devices"), ("claimName: layermark-results", "claimName: other"),
              ("/results/shard-$(JOB_COMPLETION_INDEX)", "/results/shard"), ("args: [run,", "args: [run, --shard, 1/4,"),
              ("/results/shard-", "/elsewhere/shard-"), ("registry.example.org/layermark", "layermark"),
              ("name: LAYERMARK_SHARDS", "name: LAYERMARK_SHARD"), ("ReadWriteMany", "ReadOnlyMany"),
              ("                  app: layermark", "                  app: other"),
              ("  completions: 4", "  completions: 4\n  completions: 4"),
              ("kind: Job", "kind: CronJob"))
MATRIX_FAULTS = (("[1, 2, 3, 4]", "[0, 1, 2, 3]"), ("[1, 2, 3, 4]", "[1, 2, 3]"), ("[1, 2, 3, 4]", "[1, 2, 3, 4, 4]"),
                 ("}}/4", "}}/5"), ("matrix.shard }}/4", "matrix.part }}/4"), ("fail-fast: false", "fail-fast: true"),
                 ("needs: shard", "needs: shards"), ("    needs: shard\n", ""), ("--out shard-${{ matrix.shard }}", "--out shard"),
                 ("name: shard-${{ matrix.shard }}", "name: shard"), ("path: shard-${{ matrix.shard }}", "path: other"),
                 ("pattern: shard-*", "pattern: part-*"), ("report shard-*/ --out", "report --out"),
                 ("upload-artifact@v4", "upload-artifact"),
                 ("- if: always()\n", "- if: success()\n"), ("if: ${{ !cancelled() }}", "if: success()"),
                 ("--privileged ", ""), ("    runs-on: ubuntu-latest\n    container: debian", "    container: debian"))


class Reader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which PyYAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"stands twice: {', '.join(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


def documents_of(text):
    return [document for document in yaml.load_all(text, Loader=Reader) if document is not None]


def at(tree, *path):
    """What lies at a path of keys and positions; None where the path ends early."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def items(tree, *path):
    found = at(tree, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def check_pod(spec, claims):
    """[(held, what)] of the part that a Pod and the template of a Job have in common."""
    containers, volumes = items(spec, "containers"), items(spec, "volumes")
    names = [volume.get("name") for volume in volumes]
    mounts = [mount for container in containers for mount in items(container, "volumeMounts")]
    asked = [at(volume, "persistentVolumeClaim", "claimName") for volume in volumes if "persistentVolumeClaim" in volume]
    return [
        (at(spec, "restartPolicy") == "Never", "restartPolicy is Never"),
        (bool(containers) and all(container.get("name") and container.get("image") for container in containers),
         "each container has a name and an image"),
        (len(set(names)) == len(names) and all(DNS_LABEL.fullmatch(str(name)) for name in names), "volumes have names of their own"),
        (bool(mounts) and all(mount.get("name") in names for mount in mounts), "each volumeMount has a volume"),
        (all(name in [mount.get("name") for mount in mounts] for name in names), "each volume is mounted"),
        (all(str(mount.get("mountPath", "")).startswith("/") for mount in mounts), "each mountPath is absolute"),
        (bool(asked) and all(claim in claims for claim in asked), "each claim that a pod asks for is in job.yaml"),
    ]


def check_job(documents):
    """[(held, what)] of a file with one Indexed Job of layermark."""
    jobs = [d for d in documents if at(d, "kind") == "Job"]
    claims = [d for d in documents if at(d, "kind") == "PersistentVolumeClaim"]
    if len(jobs) != 1:
        return [(False, "holds one Job")]
    job, spec = jobs[0], at(jobs[0], "spec")
    pod = at(spec, "template", "spec")
    container = at(pod, "containers", 0)
    environment = {variable.get("name"): variable.get("value") for variable in items(container, "env")}
    count, parallel, shards = at(spec, "completions"), at(spec, "parallelism"), environment.get("LAYERMARK_SHARDS")
    arguments = at(container, "args") or []
    out = arguments[arguments.index("--out") + 1:][:1] if "--out" in arguments else []
    out = str(out[0]) if out else ""
    by_name = {volume.get("name"): volume for volume in items(pod, "volumes")}
    mounted = {mount.get("mountPath"): by_name.get(mount.get("name"), {}) for mount in items(container, "volumeMounts")}
    labels = at(spec, "template", "metadata", "labels") or {}
    apart = items(pod, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return [
        (at(job, "apiVersion") == "batch/v1", "apiVersion is batch/v1"),
        (bool(DNS_LABEL.fullmatch(str(at(job, "metadata", "name")))), "the Job has a name that Kubernetes takes"),
        (at(spec, "completionMode") == "Indexed", "completionMode is Indexed"),
        (isinstance(count, int) and count > 1 and count == parallel, "completions and parallelism are equal"),
        (isinstance(shards, str), "LAYERMARK_SHARDS is set, and a string"),
        (str(shards) == str(count), "LAYERMARK_SHARDS is the number of completions"),
        (at(spec, "backoffLimit") == count, "backoffLimit lets every shard fail once"),
        (at(spec, "backoffLimitPerIndex") == 0, "no shard is tried twice"),
        (len(items(pod, "containers")) == 1, "a pod has one container"),
        (at(container, "image") == "registry.example.org/layermark:latest", "the image is the placeholder"),
        (arguments[:1] in (["run"], ["check"], ["bench"]), "the arguments begin with run, check or bench"),
        (not any(str(word).startswith("--shard") for word in arguments), "the part is left to the environment"),
        (at(container, "securityContext", "privileged") is True, "the container is privileged"),
        (out.endswith("-$(JOB_COMPLETION_INDEX)"), "each pod has an --out of its own"),
        ("persistentVolumeClaim" in mounted.get(out.rpartition("/")[0], {}), "--out lies on the claim"),
        (at(mounted.get("/dev"), "hostPath", "path") == "/dev", "/dev is the node's"),
        (len(claims) == 1 and set(at(claims[0], "spec", "accessModes") or []) & {"ReadWriteMany", "ReadWriteOnce"} != set(),
         "one claim, which can be written"),
        (bool(labels) and any(at(rule, "labelSelector", "matchLabels") == labels for rule in apart), "no two pods share a node"),
    ] + check_pod(pod, [at(claim, "metadata", "name") for claim in claims])


def needs_of(job):
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def check_workflow(documents):
    """[(held, what)] of any GitHub workflow. YAML 1.1, and so PyYAML, takes the key `on` for true."""
    workflow = documents[0] if len(documents) == 1 else {}
    jobs = at(workflow, "jobs") or {}
    steps = [step for job in jobs.values() for step in items(job, "steps")]
    return [
        (bool(workflow.get("name")) and bool(workflow.get(True, workflow.get("on"))), "has a name, and says when it runs"),
        (bool(jobs) and all(job.get("runs-on") and items(job, "steps") for job in jobs.values()), "each job has a runner and steps"),
        (all(("run" in step) != ("uses" in step) for step in steps), "each step either runs or uses"),
        (all("@" in step["uses"] for step in steps if "uses" in step), "each action has a version"),
        (all(name in jobs for job in jobs.values() for name in needs_of(job)), "each job that is needed exists"),
    ]


def check_matrix(documents):
    """[(held, what)] of a workflow that runs in shards and reports on all of them."""
    jobs = at(documents, 0, "jobs") or {}
    sharded = [(name, job, str(step.get("run", ""))) for name, job in jobs.items() for step in items(job, "steps")
               if "--shard" in str(step.get("run", ""))]
    if len(sharded) != 1:
        return [(False, "one step runs with --shard")]
    name, job, line = sharded[0]
    match = SHARD.search(line)
    variable, count = (match[1], int(match[2])) if match else ("", 0)
    values = at(job, "strategy", "matrix", variable)
    own = f"shard-${{{{ matrix.{variable} }}}}"
    up = [step for step in items(job, "steps") if str(step.get("uses", "")).startswith("actions/upload-artifact@")]
    last = [other for other in jobs.values()
            if any("layermark report" in str(step.get("run", "")) for step in items(other, "steps"))]
    reporter = last[0] if len(last) == 1 else {}
    down = [step for step in items(reporter, "steps") if str(step.get("uses", "")).startswith("actions/download-artifact@")]
    reports = [str(step["run"]) for step in items(reporter, "steps") if "layermark report" in str(step.get("run", ""))]
    return [
        (count > 1, "--shard is I/N with I from the matrix"),
        (values == list(range(1, count + 1)), "the matrix counts from 1 to that N"),
        (at(job, "strategy", "fail-fast") is False, "a shard that fails does not end the others"),
        ("--privileged" in str(at(job, "container", "options")), "the shards' container is privileged"),
        (f"--out {own}" in line, "each shard has an --out of its own"),
        (len(up) == 1 and at(up[0], "with", "name") == own and at(up[0], "with", "path") == own,
         "each shard keeps its own artifact"),
        (len(up) == 1 and up[0].get("if") == "always()", "also one with a finding"),
        (name in needs_of(reporter), "the job that reports needs the shards"),
        ("!cancelled()" in str(reporter.get("if")), "and runs after a finding too"),
        (len(down) == 1 and at(down[0], "with", "pattern") == "shard-*", "it fetches every shard's artifact"),
        (len(reports) == 1 and "report shard-*/ --out " in reports[0], "and gives all of them to report"),
    ]


def check_gitlab(documents):
    jobs = [value for value in documents[0].values() if isinstance(value, dict)] if len(documents) == 1 else []
    return [(bool(jobs) and all(job.get("script") and "privileged" in job.get("tags", []) for job in jobs),
             "each job has a script and a privileged runner")]


def checks_of(path, documents, claims):
    if path.parent.name == "kubernetes":
        checks = check_job(documents) if path == JOB else []
        for pod in (d for d in documents if at(d, "kind") == "Pod"):
            checks += [(at(pod, "apiVersion") == "v1", "apiVersion is v1")] + check_pod(at(pod, "spec"), claims)
        return checks
    if path.name.startswith("github"):
        return check_workflow(documents) + (check_matrix(documents) if path == MATRIX else [])
    return check_gitlab(documents) if path.name.startswith("gitlab") else []


def survives(path, text, claims):
    """Whether a broken copy passes every check."""
    try:
        return all(held for held, _ in checks_of(path, documents_of(text), claims))
    except yaml.YAMLError:
        return False


def main():
    broken = 0

    def say(path, held, what):
        nonlocal broken
        broken += not held
        print(f"{'ok    ' if held else 'NOT SO'} {path.relative_to(EXAMPLES)}: {what}", flush=True)

    files = sorted(path for suffix in ("*.yml", "*.yaml") for path in EXAMPLES.rglob(suffix))
    for path in (JOB, MATRIX):
        if path not in files:
            say(path, False, "exists")
    loaded = {}
    for path in files:
        try:
            loaded[path] = documents_of(path.read_text(encoding="utf-8"))
            say(path, bool(loaded[path]) and all(isinstance(d, dict) for d in loaded[path]), "is YAML, each document a mapping")
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            say(path, False, f"is YAML: {' '.join(str(error).split())}")
    if broken:
        return 1
    claims = [at(d, "metadata", "name") for d in loaded[JOB] if d.get("kind") == "PersistentVolumeClaim"]
    for path, documents in loaded.items():
        for held, what in checks_of(path, documents, claims):
            say(path, held, what)
    for path, faults in ((JOB, JOB_FAULTS), (MATRIX, MATRIX_FAULTS)):
        text = path.read_text(encoding="utf-8")
        for old, new in faults:
            words = f"{' '.join(new.split()) or 'nothing'!r} in place of {' '.join(old.split())!r}"
            say(path, old in text and not survives(path, text.replace(old, new, 1), claims), f"{words} is seen")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
