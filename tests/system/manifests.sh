# What starts a cluster elsewhere: manifests for Kubernetes, the stack file for Swarm, job scripts for Slurm. No such cluster is here, so the
# first two are checked as documents and the third runs with stand-ins for Slurm's commands.
. "$(dirname "$0")/common.bash"
command -v python3 >/dev/null && python3 -c 'import yaml' 2>/dev/null || { echo "skipped: python3 with its yaml module is missing"; exit 77; }

# -- Slurm: the jobs as they are, srun starting its task at once ----------------------------------------------------------------
mkdir commands work
cat >commands/srun <<'END'
#!/bin/bash
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
END
cat >commands/scancel <<'END'
#!/bin/bash
kill "$(pgrep -f "broker --listen tcp://0.0.0.0:$((20000 + SLURM_JOB_ID % 20000))")"
END
chmod +x commands/*
export SLURM_JOB_ID=$((RANDOM + $$)) SLURM_CPUS_PER_TASK=2 TESTUDO=$testudo TESTUDO_DIR=$folder/work HOME=$folder
for script in "$top"/deploy/slurm/*.sbatch; do bash -n "$script" || fail "syntax of $script"; done
SLURM_ARRAY_TASK_ID=3 PATH=$folder/commands:$PATH bash "$top/deploy/slurm/actors.sbatch" >actors.log 2>&1 & # waits for the learner's job
actors=$!
PATH=$folder/commands:$PATH timeout 120 bash "$top/deploy/slurm/learner.sbatch" "$top/tests/system/tiny.yaml" run.steps=16k >slurm.log 2>&1 ||
    { cat slurm.log actors.log; fail "the learner's job left with $?"; }
says slurm.log "unexplained=0"
wait $actors || { cat actors.log; fail "the actor's job left with $?"; }
[ "$(stat -c %a work/keys/learner.key)" = 600 ] || fail "keys that others can read"

# -- Swarm: what `docker stack deploy` does not take is gone, what it needs is there -----------------------------------------------
TESTUDO_ACTORS=5 TESTUDO_RUN="foraging run.steps=3M" "$top/deploy/swarm/make-stack" >stack.yml || fail "no stack file"
python3 - <<'END' || fail "stack.yml"
import yaml
stack = yaml.safe_load(open("stack.yml"))
services = stack["services"]
assert set(services) == {"broker", "learner", "actor"}, set(services)
for name, service in services.items():
    for key in ("build", "profiles", "depends_on", "restart", "security_opt", "tmpfs", "container_name"):
        assert key not in service, (name, key)
    assert not any(isinstance(v, str) and v.startswith("keys") for v in service["volumes"]), service["volumes"]
    assert {"type": "tmpfs", "target": "/tmp"} in service["volumes"], service["volumes"]
    for secret in service["secrets"]:
        assert stack["secrets"][secret["source"]] == {"external": True}
    assert "--insecure" not in service["command"]
assert services["actor"]["deploy"]["replicas"] == 5
assert services["actor"]["deploy"]["update_config"]["order"] == "start-first"
assert [s["target"] for s in services["actor"]["secrets"]] == ["actor.key"]
assert services["learner"]["command"].endswith("foraging run.steps=3M")
assert "${" not in open("stack.yml").read()
END

# -- Kubernetes: documents that belong together -----------------------------------------------------------------------------------
cp -r "$top/deploy/k8s" k8s
rm -rf k8s/keys
expect 0 "$testudo" keygen k8s/keys
python3 - <<'END' || fail "manifests"
import glob, yaml
documents = [d for f in sorted(glob.glob("k8s/*.yaml")) for d in yaml.safe_load_all(open(f)) if d]
kinds = {(d["kind"], d.get("metadata", {}).get("name")): d for d in documents}
kustomization = next(d for d in documents if d["kind"] == "Kustomization")
secrets = {s["name"]: s["files"] for s in kustomization["secretGenerator"]}
for path in kustomization["resources"]:
    open("k8s/" + path)
for files in secrets.values():
    for path in files:
        open("k8s/" + path)
for kind, name, own in (("Deployment", "broker", "broker"), ("StatefulSet", "learner", "learner"), ("Deployment", "actor", "actor")):
    spec = kinds[kind, name]["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    volumes = {v["name"] for v in pod["volumes"]} | {c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", [])}
    assert {m["name"] for m in container["volumeMounts"]} <= volumes
    used = [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v]
    assert used == [name + "-keys"] and any(f.endswith(own + ".key") for f in secrets[used[0]]), used
    assert not any("--insecure" in str(a) for a in container.get("args", []) + container.get("command", []))
assert not any("learner.key" in f for n, fs in secrets.items() for f in fs if n != "learner-keys")
policy = kinds["NetworkPolicy", "broker"]["spec"]["ingress"][0]
assert policy["ports"] == [{"port": 5555, "protocol": "TCP"}] and policy["from"]
END
