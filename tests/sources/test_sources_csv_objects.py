"""Tables with an object a row, and tables with a column a class."""

import pytest
from PIL import Image

from tfvision import errors, sources

TF = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def table(tmp_path, unpack):
    """Images a.png to d.png of 10 x 20 pixels, and a function that reads a table's text."""
    for name in "abcd":
        Image.new("RGB", (20, 10)).save(tmp_path / f"{name}.png")

    def read(text, **options):
        (tmp_path / "t.csv").write_text(text)
        source = sources.read("csv", str(tmp_path), str(tmp_path / "t.csv"), **options)
        return source, *unpack(source)

    return read


def boxes(sample):
    """(class id, y1, x1, y2, x2) of each object."""
    return [(o.class_id, *o.box) for o in sample.objects]


def test_rows_of_one_path_are_objects_of_one_image(table):
    source, (a, b), findings = table(
        TF + "a.png,20,10,cat,1,2,5,6\nb.png,20,10,dog,0,0,20,10\na.png,20,10,dog,7,2,9,4\n"
    )
    assert (source.class_names, source.groups) == (["cat", "dog"], ("labels", "objects"))
    assert (a.filename, a.size, a.labels) == ("a.png", (10, 20), [0, 1])
    assert boxes(a) == [(0, 2, 1, 6, 5), (1, 2, 7, 4, 9)]  # y x y x
    assert [o.name for o in a.objects] == ["line 2", "line 4"]
    assert boxes(b) == [(1, 0, 0, 10, 20)]
    assert findings == []
    assert {r: n for r, (n, _) in source.census.left.items()} == {"in no row of t.csv": 2}


@pytest.mark.parametrize(
    "text",
    [
        "path,label,x1,y1,x2,y2\na.png,cat,2,1,6,4\n",
        "image_path;Class_Name;X_Min;Y_Min;X_Max;Y_Max\na.png;cat;2;1;6;4\n",
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "cat,2,1,4,3,a.png,20,10\n",
        "file,class,x,y,w,h\na.png,cat,2,1,4,3\n",
        "file,class,x,y,width,height\na.png,cat,2,1,4,3\n",
        "file,class,x_center,y_center,width,height\na.png,cat,4,2.5,4,3\n",
        "file,class,left,top,right,bottom\na.png,cat,2,1,6,4\n",
        "a.png,2,1,6,4,cat\n",  # keras-retinanet
        "a.png,2,1,6,4,cat\nb.png,,,,,\n",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
        "a,xclick,cat,1,0.1,0.3,0.1,0.4,0,0\n",
        "TRAIN,gs://bucket/a.png,cat,0.1,0.1,,,0.3,0.4,,\n",  # AutoML, two corners and four
        "Train,gs://bucket/a.png,cat,0.1,0.4,0.3,0.4,0.3,0.1,0.1,0.1\n",
    ],
)
def test_boxes_go_by_many_names(table, text):
    source, samples, findings = table(text)
    assert source.class_names == ["cat"]
    assert samples[0].filename == "a.png"
    assert samples[0].objects[0].box == pytest.approx((1, 2, 4, 6))
    assert [s.objects for s in samples[1:]] in ([], [[]])  # background
    assert {f.reason for f in findings} <= {"file names hold a folder that --images has already"}


def test_groups_of_openimages_are_crowds_and_shares_are_told_where_pixels_are_usual(table):
    head = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    _, (sample,), _ = table(head + "a,cat,0,0.5,0,0.5,1\na,dog,0,0.5,0,0.5,-1\n")
    assert [o.is_crowd for o in sample.objects] == [True, False]
    assert sample.labels == [1]
    _, (sample,), (finding,) = table(TF + "a.png,20,10,cat,0,0.1,0.5,1\n")
    assert boxes(sample) == [(0, 1, 0, 10, 10)]
    assert (finding.kind, finding.reason) == ("noted", "boxes taken as shares of the image's sides")


def test_a_row_that_cannot_be_used_is_told_with_its_line(table):
    _, (a, b), findings = table(
        TF
        + "a.png,20,10,cat,1,2,five,6\na.png,20,10,cat,5,2,5,6\na.png,20,10,,1,2,5,6\n"
        + "a.png,20,10,cat,,,,\na.png,20,10,cat,1,2,5,6\na.png,20,10,cat,1,2,5,6\n"
        + "b.png,0,10,,,,,\nno.png,20,10,cat,1,2,5,6\n,20,10,cat,1,2,5,6\n"
    )
    assert (boxes(a), b.objects, b.size) == ([(0, 2, 1, 6, 5)], [], None)
    assert [(f.kind, f.reason, f.detail[:6]) for f in findings] == [
        ("dropped", "broken box", "line 2"),
        ("dropped", "box without area", "line 3"),
        ("dropped", "no class name", "line 4"),
        ("dropped", "broken box", "line 5"),
        ("dropped", "the same object twice", "line 7"),
        ("noted", "recorded size is wrong", "line 8"),
        ("skipped", "image file missing", "line 9"),
        ("skipped", "no path", "line 1"),
    ]


def test_splits_go_by_their_column_and_classes_are_of_all(table):
    text = "path,label,x1,y1,x2,y2,split\na.png,cat,2,1,6,4,train\nb.png,dog,2,1,6,4,Validation\n"
    source, (sample,), _ = table(text, split="val")
    assert (source.class_names, sample.filename) == (["cat", "dog"], "b.png")
    assert len(table(text, split="")[1]) == 2
    with pytest.raises(errors.DataError, match=r"no split 'test' \(it has 'Validation', 'train'"):
        table(text, split="test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,bbox\na.png,1 2 3 4\n", "column 'bbox' contains a box in one cell"),
        ("photo,x1,y1,x2,y2\na.png,1,2,3,4\n", "no column path or file"),
        (TF + "a.png,20,10,cat,1,2,5,6,7\n", "line 2: 9 values for 8 columns"),
        (TF + '"a.png,20,10,cat,1,2,5,6\n', "line 2: unexpected end"),
        (TF, "there are no classes"),
        ("a.png,1,2,3,4\n", "no column path"),
    ],
)
def test_an_unusable_table_is_an_error(table, text, message):
    with pytest.raises(errors.DataError, match=message):
        table(text)


def test_a_class_list_refuses_other_names_and_one_class_needs_no_column(table, tmp_path):
    (tmp_path / "names.txt").write_text("kite\n")
    path = str(tmp_path / "names.txt")
    with pytest.raises(errors.DataError, match=r"t\.csv: a\.png, line 2: class 'cat' is not in"):
        table(TF + "a.png,20,10,cat,1,2,5,6\n", label_file=path)
    text = "path,x1,y1,x2,y2\na.png,1,2,3,4\n"
    assert table(text, label_file=path)[0].class_names == ["kite"]
    assert table(text)[0].class_names == ["object"]


def test_a_column_a_class_is_labels_of_the_image(table):
    source, (a, b), findings = table("filename, Cat, Big dog\na.png, 1, 1\nb.png, 0, 0\n")
    assert (source.class_names, source.groups) == (["Cat", "Big dog"], ("labels",))
    assert (a.labels, b.labels, a.objects, findings) == ([0, 1], [], None, [])
    _, (a,), (twice, missing) = table("image,cat,dog\na.png,0,1\na.png,1,1\nno.png,1,1\n")
    assert (a.labels, twice.reason, missing.reason) == (
        [1],
        "image listed twice",
        "image file missing",
    )
    _, (b,), _ = table("image,split,cat\na.png,train,1\nb.png,valid,1\n", split="val")
    assert b.filename == "b.png"
    with pytest.raises(errors.DataError, match=r"line 3: column 'cat' has 'x'; write 0 or 1"):
        table("image,cat,dog\na.png,0,1\nb.png,x,1\n")
    with pytest.raises(errors.DataError, match="no column label or class"):
        table("image,color\na.png,red\n")


def test_roboflows_table_is_found_beside_the_images_of_its_split(tmp_path, unpack):
    for folder in ("train", "valid"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (20, 10)).save(tmp_path / folder / "a.png")
        text = TF + "a.png,20,10,cat,1,2,5,6\n"
        (tmp_path / folder / "_annotations.csv").write_text(text)
    source = sources.read("csv", str(tmp_path), split="val")
    (sample,), findings = unpack(source)
    assert (sample.path, findings) == (str(tmp_path / "valid" / "a.png"), [])
    assert {r: n for r, (n, _) in source.census.left.items()} == {"of another split": 1}
