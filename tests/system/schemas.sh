# The manifests for Kubernetes as its own tools read them: what kustomize makes of them, and the schema of each document.
. "$(dirname "$0")/common.bash"
command -v kubectl >/dev/null || { echo "skipped: kubectl is missing (Debian: kubernetes-client)"; exit 77; }
python=$top/build/venv/bin/python3 # made by make python-tools
"$python" -c 'import yaml, kubernetes_validate' 2>/dev/null || { echo "skipped: kubernetes-validate is missing (make python-tools)"; exit 77; }

cp -r "$top/deploy/k8s" k8s
rm -rf k8s/keys
expect 0 "$testudo" keygen k8s/keys
kubectl kustomize k8s >built.yaml 2>err.txt || { cat err.txt; fail "kustomize"; }
[ "$(grep -c '^kind: Secret' built.yaml)" = 3 ] || fail "expected three secrets"
"$python" - <<'END' || fail "schema"
import yaml, kubernetes_validate
documents = [d for d in yaml.safe_load_all(open("built.yaml")) if d]
assert len(documents) > 5, len(documents)
for document in documents:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
END
