#!/usr/bin/env bash
# The main job on embedded data: pictures -> records -> training -> metrics -> export -> a served
# reply -> drawn predictions. `make demo` runs it; everything goes to demo/.
set -eu
bin=${1:-.venv/bin}
export TF_CPP_MIN_LOG_LEVEL=3
start=$(date +%s)
say() { printf '\n== %s\n' "$*"; }

say "1/7 balloons: 500 scenes, drawn here"
"$bin/tfvision" synthesize --name=balloons --output=demo/balloons
say "2/7 convert to TFRecords"
for split in train val; do
  "$bin/tfvision" convert --format=coco --images="demo/balloons/images/$split" \
    --annotations="demo/balloons/annotations/instances_$split.json" \
    --split="$split" --output=demo/records
done
say "3/7 train a light Mask R-CNN: where are the balloons, of which kind, and of which shape?"
"$bin/tfvision" train --config=balloons_mask_rcnn_r18 --config.data.path=demo/records \
  --workdir=demo/run
say "4/7 evaluate"
"$bin/tfvision" evaluate --workdir=demo/run --output=demo/metrics.json
say "5/7 export"
rm -rf demo/model
"$bin/tfvision" export --workdir=demo/run --output=demo/model
say "6/7 serve, and ask over HTTP"
"$bin/tfvision" serve --model=demo/model --name=balloons --port=0 > demo/serve.log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 120); do
  grep -q "^serving" demo/serve.log && break
  kill -0 "$server" 2>/dev/null || { cat demo/serve.log; exit 1; }
  sleep 0.5
done
url=$(sed -n 's/^serving .* at \(http.*\)$/\1/p' demo/serve.log)
"$bin/python" - "$url" <<'PY'
import base64
import json
import sys
import urllib.request

path = "demo/balloons/images/val/00000.jpg"
with open(path, "rb") as file:
    content = base64.b64encode(file.read()).decode()
body = json.dumps({"instances": [{"b64": content}]}).encode()
with urllib.request.urlopen(sys.argv[1], body, timeout=60) as reply:
    answer = json.load(reply)["predictions"][0]
print(f"POST {sys.argv[1]}\n  {path}")
rows = zip(answer["class_names"], answer["scores"], answer["boxes"], answer["masks"])
for name, score, box, mask in rows:
    if score > 0.5:
        cells = [value > 0.5 for row in mask for value in row]
        place = " ".join(f"{edge:.0f}" for edge in box)
        share = sum(cells) / len(cells)
        print(f"  {name:<8}{score:.3f}  box y x y x: {place}, {share:.0%} of it in the mask")
PY
say "7/7 predictions drawn"
find demo/balloons/images/val -type f | sort | head -12 | xargs \
  "$bin/tfvision" predict --model=demo/model --output=demo/predictions
printf '\nDone in %s s. Look at demo/predictions/sheet.png\n' "$(($(date +%s) - start))"
