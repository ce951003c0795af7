{{- define "shadow.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}{{ $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end }}{{ end }}
{{- end }}

{{- define "shadow.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "shadow.labels" -}}
{{ include "shadow.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "shadow.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "shadow.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "shadow.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{/* Non-empty when the ledger is a SQLite file. */}}
{{- define "shadow.sqlite" -}}
{{- $url := dig "ledger" "url" "" .Values.config -}}
{{- if not (or .Values.ledger.postgresSecret.name (hasPrefix "postgresql" $url) (contains "${" $url)) }}yes{{ end }}
{{- end }}

{{/* What cannot work is refused here, with what to do instead. */}}
{{- define "shadow.refuse" -}}
{{- if include "shadow.sqlite" . }}
{{- if gt (int .Values.replicas) 1 }}{{ fail (printf "replicas is %d, but the ledger is a SQLite file, which belongs to one pod: set ledger.postgresSecret.name to a Secret with a PostgreSQL URL, or replicas to 1" (int .Values.replicas)) }}{{ end }}
{{- if .Values.monitor.enabled }}{{ fail "monitor.enabled needs a ledger that two pods can share: set ledger.postgresSecret.name to a Secret with a PostgreSQL URL" }}{{ end }}
{{- end }}
{{- if and .Values.ledger.postgresSecret.name (dig "ledger" "url" "" .Values.config) }}{{ fail "config.ledger.url and ledger.postgresSecret.name both name a ledger: keep one" }}{{ end }}
{{- if .Values.keda.enabled }}
{{- if ne .Values.mode "deployment" }}{{ fail "keda.enabled scales workers; in mode sidecar every replica is another engine: set mode to deployment" }}{{ end }}
{{- if include "shadow.sqlite" . }}{{ fail "keda.enabled needs a ledger that pods can share: set ledger.postgresSecret.name to a Secret with a PostgreSQL URL" }}{{ end }}
{{- if not .Values.keda.prometheusUrl }}{{ fail "keda.enabled needs keda.prometheusUrl, such as http://prometheus-operated.monitoring:9090" }}{{ end }}
{{- if lt (int .Values.keda.maxReplicas) (int .Values.replicas) }}{{ fail (printf "keda.maxReplicas is %d, below replicas (%d), which is the least: raise it" (int .Values.keda.maxReplicas) (int .Values.replicas)) }}{{ end }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}{{ fail "podMonitor and serviceMonitor would scrape every pod twice: enable one" }}{{ end }}
{{- if and (gt (int .Values.replicas) 1) (eq (dig "source" "kind" "kafka" .Values.config) "jsonl") }}{{ fail "replicas above 1 share work through a Kafka consumer group; a file is read by one pod" }}{{ end }}
{{- if and (gt (int .Values.replicas) 1) (dig "source" "instance_id" "" .Values.config) (not (contains "${" (dig "source" "instance_id" "" .Values.config))) }}{{ fail "config.source.instance_id is the same for all replicas; leave it out (the chart takes the pod's name) or use ${POD_NAME}" }}{{ end }}
{{- if eq .Values.mode "sidecar" }}
{{- $first := first .Values.config.candidates }}
{{- if ne $first.backend.model .Values.engine.servedModelName }}{{ fail (printf "config.candidates[0].backend.model is %q, the engine beside it serves %q: make them equal" $first.backend.model .Values.engine.servedModelName) }}{{ end }}
{{- if and (eq $first.backend.kind "openai") (not (contains (printf ":%d/" (int .Values.engine.port)) $first.backend.url)) }}{{ fail (printf "config.candidates[0].backend.url is %s, but the engine beside it listens on port %d" $first.backend.url (int .Values.engine.port)) }}{{ end }}
{{- end }}
{{- $least := int (include "shadow.leastGrace" .) }}
{{- if and .Values.terminationGracePeriodSeconds (lt (int .Values.terminationGracePeriodSeconds) $least) }}{{ fail (printf "terminationGracePeriodSeconds is %d, but draining takes up to %d s (replay.drain_seconds + replay.timeout_seconds + margins): raise it or lower those" (int .Values.terminationGracePeriodSeconds) $least) }}{{ end }}
{{- end }}

{{/* Shadow ends its children 20 s after drain + timeout; 10 s are for what follows. A sidecar is told to stop only after the engine has. */}}
{{- define "shadow.leastGrace" -}}
{{- $replay := default dict .Values.config.replay -}}
{{- $seconds := addf (dig "drain_seconds" 10 $replay | float64) (dig "timeout_seconds" 60 $replay | float64) 30 -}}
{{- if eq .Values.mode "sidecar" }}{{ $seconds = addf $seconds .Values.engine.stopSeconds }}{{ end }}
{{- ceil $seconds | int }}
{{- end }}

{{- define "shadow.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $source := default dict $config.source -}}
{{- if ne (default "kafka" $source.kind) "jsonl" }}
{{- if not $source.group_id }}{{ $_ := set $source "group_id" (printf "shadow-%s-%s" .Release.Namespace (include "shadow.fullname" .)) }}{{ end }}
{{- if and (not $source.instance_id) (eq .Values.mode "sidecar") }}{{ $_ := set $source "instance_id" "${POD_NAME}" }}{{ end }}
{{- if and (not $source.instance_id) (eq .Values.mode "deployment") (include "shadow.sqlite" .) }}{{ $_ := set $source "instance_id" (include "shadow.fullname" .) }}{{ end }}
{{- $_ := set $config "source" $source }}
{{- end }}
{{- $ledger := default dict $config.ledger -}}
{{- if .Values.ledger.postgresSecret.name }}{{ $_ := set $ledger "url" "${SHADOW_LEDGER_URL}" }}
{{- else if not $ledger.url }}{{ $_ := set $ledger "url" "sqlite:////var/lib/shadow/shadow.db" }}{{ end }}
{{- $_ := set $config "ledger" $ledger }}
{{- $web := merge (dict "host" "0.0.0.0" "port" (int .Values.port)) (default dict $config.web) -}}
{{- if .Values.webToken.secretName }}{{ $_ := set $web "token_file" "/etc/shadow/web/token" }}{{ end }}
{{- $_ := set $config "web" $web }}
{{- toYaml $config }}
{{- end }}

{{/* The body of a Shadow container. Takes dict "root", "role", "resources". */}}
{{- define "shadow.container" -}}
{{- $root := .root -}}
image: {{ include "shadow.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [run, --config, /etc/shadow/config/shadow.yaml, --role, {{ .role }}]
workingDir: /var/lib/shadow
env:
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with $root.Values.ledger.postgresSecret }}{{ if .name }}
- name: SHADOW_LEDGER_URL
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}{{ end }}
{{- range $root.Values.secretEnv }}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .key }}}}
{{- end }}
ports:
- {name: web, containerPort: {{ $root.Values.port }}}
livenessProbe:
  httpGet: {path: /healthz, port: web}
  initialDelaySeconds: 30
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- if .readiness }}
readinessProbe:
  httpGet: {path: /readyz, port: web}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
resources: {{- toYaml .resources | nindent 2 }}
volumeMounts:
- {name: config, mountPath: /etc/shadow/config, readOnly: true}
- {name: ledger, mountPath: /var/lib/shadow}
- {name: tmp, mountPath: /tmp}
{{- if $root.Values.webToken.secretName }}
- {name: web-token, mountPath: /etc/shadow/web, readOnly: true}
{{- end }}
{{- range $i, $m := $root.Values.secretMounts }}
- {name: secret-{{ $i }}, mountPath: {{ $m.mountPath }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "shadow.volumes" -}}
- name: config
  configMap: {name: {{ include "shadow.fullname" . }}}
- name: tmp
  emptyDir: {sizeLimit: 512Mi}
{{- with .Values.webToken }}{{ if .secretName }}
- name: web-token
  secret: {secretName: {{ .secretName }}, items: [{key: {{ .key }}, path: token}]}
{{- end }}{{ end }}
{{- range $i, $m := .Values.secretMounts }}
- name: secret-{{ $i }}
  secret: {secretName: {{ $m.secretName }}}
{{- end }}
{{- end }}

{{/* Placement of a pod. Takes dict "root", "component". */}}
{{- define "shadow.placement" -}}
{{- $root := .root -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $affinity := deepCopy $root.Values.affinity }}
{{- if and $root.Values.colocateWith (eq .component "worker") }}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $root.Values.colocateWith) }}
{{- $affinity = mergeOverwrite $affinity (dict "podAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term))) }}
{{- end }}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
{{- $own := dict "labelSelector" (dict "matchLabels" (merge (dict "app.kubernetes.io/component" $.component) (include "shadow.selector" $root | fromYaml))) }}
- {{- toYaml (merge (deepCopy .) $own) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "shadow.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ .name }}}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .volume.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .volume.size }}}}
{{- end }}
