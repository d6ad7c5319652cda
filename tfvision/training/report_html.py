"""The report's page: HTML and CSS, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import html
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tfvision import config as configs
from tfvision import paths
from tfvision.metrics.examples import Example
from tfvision.training import report_plots

_CSS = """
:root { color-scheme: light; --ink: #1e293b; --soft: #64748b; --line: #e2e8f0; --blue: #2563eb; }
* { box-sizing: border-box; }
body { margin: 0; background: #f1f5f9; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
p { margin: .2rem 0 .8rem; } .soft { color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 1.2rem 1.3rem; margin-top: 1.1rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1.1rem; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 10px; flex: 1 1 8rem;
  padding: .7rem 1rem; } .tile b { display: block; font-size: 1.5rem; line-height: 1.3; }
.tile span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .85rem; position: sticky; top: 0;
  background: #fff; } th:first-child, td:first-child { text-align: left; }
.plain td, .plain th { text-align: left; vertical-align: top; } .plain td:first-child {
  color: var(--soft); width: 12rem; } .box { max-height: 30rem; overflow: auto; }
.bar { display: inline-block; width: 6rem; height: .55rem; background: var(--line);
  border-radius: 3px; margin-left: .6rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--blue); }
img.plot { display: block; max-width: 100%; margin: 0 auto; }
.grid { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure div { height: 150px; background: #12141a; display: flex; align-items: center;
  justify-content: center; } figure img { max-width: 100%; max-height: 150px; display: block; }
figcaption { padding: .45rem .6rem; font-size: .85rem; line-height: 1.35; }
figcaption small { color: var(--soft); display: block; overflow-wrap: anywhere; }
.wrong b { color: #b91c1c; } .right b { color: #047857; }
pre { background: #f8fafc; border: 1px solid var(--line); border-radius: 8px; padding: .8rem;
  overflow: auto; font-size: .82rem; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--blue); }
.pair { display: flex; flex-wrap: wrap; gap: 1.1rem;
  align-items: stretch; } .pair section { flex: 1 1 22rem; min-width: 0; }
@media print { body { background: #fff; } section, figure { break-inside: avoid; } }
"""
_CSS = _CSS.strip()
_TILES = 5


def page(
    report: Mapping[str, Any],
    plots: Mapping[str, str],
    examples: Mapping[str, Sequence[Example]],
    pictures: Mapping[int, str],
) -> str:
    """The whole page. found: what `report.write` gathers. pictures: data URIs by index."""
    name = paths.readable(os.path.basename(os.path.abspath(report["workdir"])))
    parts = [_head(name, report), _tiles(report)]
    if "curves" in plots:
        note = '<p class="soft">Dotted: the step of the weights on this page.</p>'
        parts.append(_section("Learning curves", _plot(plots, "curves") + note))
    parts.append(_section("Metrics", _metrics(report)))
    kinds = _kinds(report)
    for prefix, kind in kinds.items():
        if report.get(f"{prefix}per_class"):
            table = _per_class(report[f"{prefix}per_class"])
            parts.append(_section(f"Classes{kind}, the weakest first", table))
    pair = []
    if "confusion" in plots:
        pair.append(_section("Confusion", _plot(plots, "confusion") + _cut(report["confusion"])))
    if "reliability" in plots:
        note = (
            '<p class="soft">A score of 0.8 should be right in 8 of 10 cases. Numbers: images in'
            " the bin (Guo et al. 2017).</p>"
        )
        pair.append(_section("Reliability", _plot(plots, "reliability") + note))
    for prefix, kind in kinds.items():
        if f"{prefix}precision_recall" in plots:
            note = '<p class="soft">At IoU 0.5; the thick line is the mean of the classes.</p>'
            plot = _plot(plots, f"{prefix}precision_recall")
            pair.append(_section(f"Precision and recall{kind}", plot + note))
    wide = len(report.get("confusion") or ()) > report_plots.NUMBERED
    parts += pair if wide else [f'<div class="pair">{"".join(pair)}</div>']
    for kind, title in (("mistakes", "The worst answers"), ("best", "The best")):
        if examples[kind]:
            cards = "".join(_card(e, pictures) for e in examples[kind])
            parts.append(_section(title, f'<div class="grid">{cards}</div>'))
    if not examples["mistakes"]:
        parts.append(_section("Mistakes", "<p>There is none.</p>"))
    parts.append(_section("How it was run", _run(report)))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(name)} - tfvision report</title>\n<style>{_CSS}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _kinds(report: Mapping[str, Any]) -> dict[str, str]:
    """{prefix of the entries: what titles add}; nothing to tell apart, nothing to add."""
    if not report.get("mask_per_class"):
        return {"": ""}
    return dict(zip(report_plots.PREFIXES, (" (masks)", " (boxes)"), strict=True))


def _text(value: Any) -> str:
    return html.escape(str(value))


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _plot(plots: Mapping[str, str], name: str) -> str:
    return f'<img class="plot" alt="{name}" src="{plots[name]}">'


def _rows(pairs: Sequence[tuple[str, Any]]) -> str:
    rows = "".join(f"<tr><td>{_text(k)}</td><td>{_text(v)}</td></tr>" for k, v in pairs)
    return f'<table class="plain">{rows}</table>'


def _head(name: str, report: Mapping[str, Any]) -> str:
    config, data = report["config"], report["data"]
    height, width = config["inputs"]["image_size"]
    images = ", ".join(f"{count:,} {split}" for split, count in data.items())
    line = (
        f"{config['task']} with {config['model']['name']} ({report['weights']:,} values), images of"
        f" {height} x {width}, {len(config['data']['class_names'])} classes; {images} images"
    )
    return f'<h1>{_text(name)}</h1><p class="soft">{_text(line)}</p>'


def _tiles(report: Mapping[str, Any]) -> str:
    numbers = report["metrics"]
    scores = report_plots.leading([k for k in numbers if report_plots.is_score(k)], _TILES)
    tiles = [(k.replace("_", " "), _number(numbers[k])) for k in scores]
    tiles.append((f"images of '{report['split']}'", f"{int(numbers['images']):,}"))
    tiles.append(("step of these weights", f"{report['step']:,}"))
    cells = [f'<div class="tile"><b>{_text(v)}</b><span>{_text(k)}</span></div>' for k, v in tiles]
    return f'<div class="tiles">{"".join(cells)}</div>'


def _metrics(report: Mapping[str, Any]) -> str:
    """Each metric of these weights, of the last validation and of the best one."""
    log = report["log"]["val"]
    rows = []
    for name, value in report["metrics"].items():
        if name == "images":
            continue
        known = [e for e in log if e.get(name) is not None]
        last, best = (_number(known[-1][name]), "") if known else ("-", "-")
        if known:
            lower = name in report["lower_is_better"]
            top = (min if lower else max)(known, key=lambda entry: entry[name])
            best = f"{_number(top[name])} (step {top['step']:,})"
        cells = (name.replace("_", " "), _number(value), last, best)
        rows.append("".join(f"<td>{_text(cell)}</td>" for cell in cells))
    head = "<th>metric</th><th>these weights</th><th>last validation</th><th>best validation</th>"
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _per_class(table: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(next(iter(table.values())))
    key = next((c for c in ("average_precision", "iou", "ap", "f1") if c in columns), columns[0])
    order = sorted(table, key=lambda name: (table[name][key] is None, table[name][key] or 0.0))
    lines = []
    for name in order:
        cells = [f"<td>{_text(name)}</td>"]
        for column in columns:
            value = table[name][column]
            bar = ""
            if column == key:
                bar = f'<span class="bar"><i style="width:{100 * (value or 0):.1f}%"></i></span>'
            cells.append(f"<td>{_number(value)}{bar}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{_text(c.replace('_', ' '))}</th>" for c in ("class", *columns))
    return f'<div class="box"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _cut(confusion: Sequence) -> str:
    if len(confusion) <= report_plots.CLASSES:
        return ""
    return (
        f'<p class="soft">The {report_plots.CLASSES} of {len(confusion):,} classes with the most'
        " mistakes; shares are of all images of the row's class.</p>"
    )


def _card(example: Example, pictures: Mapping[int, str]) -> str:
    first, *more = (*example.details, "")
    lines = "".join(f"<br>{_text(line)}" for line in more if line)
    picture = pictures.get(example.index, "")
    return (
        f'<figure class="{"right" if example.right else "wrong"}"><div>'
        f'<img alt="{_text(example.source_id)}" src="{picture}"></div>'
        f"<figcaption><b>{_text(example.title)}</b> {_text(first)}{lines}"
        f"<small>{_text(example.source_id)}</small></figcaption></figure>"
    )


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        name = f"{path}.{key}" if path else key
        flat |= _flat(value, name) if isinstance(value, Mapping) else {name: value}
    return flat


def _run(report: Mapping[str, Any]) -> str:
    """The command, the versions, the settings that differ from the defaults, the whole config."""
    config, versions = report["config"], dict(report["versions"])
    command = versions.pop("command", [])
    plain = json.loads(json.dumps(config))
    defaults = json.loads(json.dumps(_flat(configs.defaults())))
    hidden = ("data.class_names", "data.fingerprint")
    changed = [
        (key, json.dumps(value))
        for key, value in _flat(plain).items()
        if key not in hidden and defaults.get(key) != value
    ]
    rates = [e["images_per_second"] for e in report["log"]["train"] if e.get("images_per_second")]
    speed = f"{sorted(rates)[len(rates) // 2]:,.0f} images/s (median)" if rates else "not known"
    facts = [("run folder", os.path.abspath(report["workdir"])), ("precision", report["precision"])]
    facts += [("training speed", speed), *versions.items()]
    return (
        f"<pre>{_text(shlex.join(command))}</pre>{_rows(facts)}"
        f"<h2 style='margin-top:1.2rem'>Settings that differ from the defaults</h2>{_rows(changed)}"
        "<p></p><details><summary>config.json</summary>"
        f"<pre>{_text(json.dumps(plain, indent=2, sort_keys=True))}</pre></details>"
    )
