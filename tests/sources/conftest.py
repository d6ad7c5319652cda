import csv

import pytest

from tfvision import errors, schema

# A manifest's word -> the kind of finding that must be there, and no other kind.
KINDS = {
    "ok": set(),
    "ok-reported": {"noted"},
    "clip": {"clipped"},
    "drop-object": {"dropped"},
    "skip-image": {"skipped"},
    "error": {"error"},
}


@pytest.fixture(scope="session")
def manifest(shared_data):
    """A function: a folder of broken_annotations -> {path: the kinds of finding it must leave}."""

    def function(folder):
        with open(shared_data / "broken_annotations" / "MANIFEST.csv", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["path"].startswith(folder)]
        return {row["path"]: KINDS[row["expected"]] for row in rows}

    return function


@pytest.fixture(scope="session")
def outcome():
    """A function: a reader and its arguments -> (findings by the reader and by the encoder,
    {file name: number of objects in its record}); an error is a finding of the kind "error"."""
    from tfvision.records import encode, image_files

    def function(read, *arguments, **options):
        findings, records = [], {}
        try:
            source = read(*arguments, **options)
            for item in source.items:
                if isinstance(item, schema.Finding):
                    findings.append(item)
                    continue
                with open(item.path, "rb") as file:
                    image = image_files.normalise(file.read(), item.filename)
                encoded = encode.encode(item, image, source.class_names, source.groups)
                if isinstance(encoded, schema.Finding):
                    findings.append(encoded)
                    continue
                findings += encoded.findings
                records[item.filename] = encoded.objects
        except errors.DataError as error:
            findings.append(schema.Finding("error", str(error), ""))
        return findings, records

    return function
