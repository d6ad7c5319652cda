"""Tables of paths and labels: columns, splits, several labels, what is skipped and refused."""

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources


@pytest.fixture
def table(tmp_path, unpack):
    """Images a.png to d.png, and a function that reads a table's text."""
    for name in "abcd":
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / f"{name}.png")

    def read(text, encoding="utf-8", **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode(encoding))
        source = sources.FORMATS["csv"](str(tmp_path), str(path), **options)
        return source, *unpack(source)

    return read


def test_rows_of_one_path_are_labels_of_one_image(table):
    source, samples, findings = table(
        "path,label\na.png,dog\nb.png,cat\n./a.png,cat\nb.png,cat\n\n,\n"
    )
    assert source.class_names == ["cat", "dog"]
    assert source.groups == ("labels",)
    assert [(s.filename, s.labels) for s in samples] == [("a.png", [0, 1]), ("b.png", [0])]
    assert all(s.objects is None and s.source_id == s.filename for s in samples)
    assert [(f.kind, f.reason, f.detail) for f in findings] == [
        ("noted", "the same label twice", "line 5")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "label;Filename\ncat;a.png\n",
        "image\tclass\tother\na.png\tcat\tx\n",
        'file,name\r\n"a.png"," cat "\r\n',
        "path,label,,\na.png,cat,,\n",
    ],
)
def test_columns_and_delimiters_go_by_other_names(table, text):
    source, (sample,), findings = table(text, encoding="utf-8-sig")
    assert (source.class_names, sample.filename, sample.labels) == (["cat"], "a.png", [0])
    assert findings == []


def test_classes_are_those_of_every_split(table):
    text = "path,label,split\na.png,cat,val\nb.png,dog,train\nc.png,ant,test\n"
    source, samples, _ = table(text, split="train")
    assert source.class_names == ["ant", "cat", "dog"]
    assert [(s.filename, s.labels) for s in samples] == [("b.png", [2])]
    _, samples, _ = table(text, split="")
    assert [s.filename for s in samples] == ["a.png", "b.png", "c.png"]
    with pytest.raises(errors.DataError, match=r"no split 'tran'; did you mean 'train'.*'test'"):
        table(text, split="tran")


def test_a_split_is_ignored_where_there_is_no_such_column(table):
    assert len(table("path,label\na.png,cat\n", split="val")[1]) == 1


def test_a_row_that_cannot_be_used_is_skipped_with_its_line(table, tmp_path):
    (tmp_path.parent / "out.png").write_bytes(b"x")
    _, (sample,), findings = table(
        "path,label\nno.png,cat\n../out.png,cat\nb.png,\n,cat\nc.png\na.png,cat\na.png,\n"
    )
    assert (sample.filename, sample.labels) == ("a.png", [0])
    details = [f.detail.partition(":")[0] for f in findings]
    assert [(f.kind, f.reason, f.file, d) for f, d in zip(findings, details, strict=True)] == [
        ("skipped", "image file missing", "no.png", "line 2"),
        ("skipped", "path that leaves the image folder", "../out.png", "line 3"),
        ("skipped", "no label", "b.png", "line 4"),
        ("skipped", "no path", "t.csv", "line 5"),
        ("skipped", "no label", "c.png", "line 6"),
        ("noted", "row without a label", "a.png", "line 8"),
    ]


def test_a_class_list_fixes_the_ids_and_refuses_other_names(table):
    source, (sample,), (finding,) = table("path,label\na.png,Dog\n", labels=["eel", "dog"])
    assert (source.class_names, sample.labels) == (["eel", "dog"], [1])
    assert (finding.kind, finding.reason) == ("noted", "class name matched loosely")
    with pytest.raises(errors.DataError, match=r"t\.csv, line 2: a\.png: class 'cat' is not in"):
        table("path,label\na.png,cat\n", labels=["eel", "dog"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column path or file .* its columns are: none"),
        ("path,color\na.png,red\n", "no column label or class .* are: path, color"),
        ("a.png,cat\nb.png,dog\n", "its columns are: a.png, cat"),
        ("path,label\na.png,shark, white\n", "line 2: 3 values for 2 columns; put double quotes"),
        ('path,label\na.png,"cat\n', "line 2: unexpected end"),
        ("path,label\n", "there are no classes"),
    ],
)
def test_an_unusable_table_is_an_error(table, text, message):
    with pytest.raises(errors.DataError, match=message):
        table(text)


def test_other_encodings_and_missing_files_are_named(table, tmp_path):
    with pytest.raises(errors.DataError, match="save it as UTF-8"):
        table("path,label\na.png,bär\n", encoding="latin-1")
    with pytest.raises(errors.UsageError, match="needs annotations"):
        sources.FORMATS["csv"](str(tmp_path), None)
    with pytest.raises(errors.DataError, match="is not a file"):
        sources.FORMATS["csv"](str(tmp_path), str(tmp_path))


def test_the_imagenet_sample_has_the_count_of_its_readme(shared_data, unpack):
    root = shared_data / "cls_imagenet_sample"
    source = sources.FORMATS["csv"](str(root / "images"), str(root / "labels.csv"))
    samples, findings = unpack(source)
    assert (len(samples), len(source.class_names), findings) == (70, 70, [])
    tench = next(s for s in samples if s.filename == "n01440764_tench.JPEG")
    assert source.class_names[tench.labels[0]] == "tench"
