"""Names of the columns of tables, the first that is there counts; case does not matter."""

PATH = ("path", "file", "filename", "image")
LABEL = ("label", "class", "name", "labels")
SPLIT = ("split",)
# Tables of objects go by more names: OpenImages', RetinaNet's, makesense.ai's.
OBJECT_PATH = (*PATH, "image_path", "img_path", "file_name", "image_name", "imageid", "image_id")
OBJECT_LABEL = (*LABEL, "labelname", "label_name", "classname", "class_name", "category")
CROWD, DIFFICULT = ("isgroupof", "iscrowd", "is_crowd"), ("difficult",)

_X = ("x1", "xmin", "x_min", "bbox_x1", "bbox_xmin", "bbox_x_min", "left", "xtl")
_Y = ("y1", "ymin", "y_min", "bbox_y1", "bbox_ymin", "bbox_y_min", "top", "ytl")
_WIDTH = ("w", "bbox_w", "bbox_width", "box_width", "width")
_HEIGHT = ("h", "bbox_h", "bbox_height", "box_height", "height")
# What a box's four columns are: {form: names of each}.
BOXES = {
    "xyxy": (
        _X,
        _Y,
        ("x2", "xmax", "x_max", "bbox_x2", "bbox_xmax", "bbox_x_max", "right", "xbr"),
        ("y2", "ymax", "y_max", "bbox_y2", "bbox_ymax", "bbox_y_max", "bottom", "ybr"),
    ),
    "xywh": (("x", "bbox_x", "box_x", *_X), ("y", "bbox_y", "box_y", *_Y), _WIDTH, _HEIGHT),
    "center": (
        ("x_center", "xcenter", "center_x", "cx", "x_centre"),
        ("y_center", "ycenter", "center_y", "cy", "y_centre"),
        _WIDTH,
        _HEIGHT,
    ),
}
ONE_CELL = ("bbox", "box", "bounding_box", "bndbox")
IMAGE_SIZE = (
    ("image_height", "img_height", "imageheight", "height"),
    ("image_width", "img_width", "imagewidth", "width"),
)
EVERY = {*OBJECT_PATH, *OBJECT_LABEL, *SPLIT, *(n for f in BOXES.values() for c in f for n in c)}
