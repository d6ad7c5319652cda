"""One sample -> its record: the function that a conversion maps over all of them.

It pickles and needs no TensorFlow, so that it runs in any process.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable

from tfvision import errors, schema
from tfvision.records import encode, image_files, proposals, shrink
from tfvision.records.convert_options import Options, Source

Names = tuple[str, str]  # of an image: source_id, file name
Result = tuple[Names, encode.Encoded | schema.Finding]  # the record, or why there is none


def work(source: Source, options: Options) -> Callable[[bytes], Result]:
    """The function that turns a pickled sample into a record; it pickles."""
    propose = None
    if options.proposals:
        propose = functools.partial(
            proposals.selective_search, mode=options.proposals, limit=options.max_proposals
        )
    return functools.partial(
        _work,
        class_names=tuple(source.class_names),
        groups=tuple(source.groups),
        frame=source.frame,
        bake_orientation=options.bake_orientation,
        full_masks=options.full_masks,
        scale=options.scale_annotations,
        limit=options.limit,
        propose=propose,
        skip_unreadable=options.skip_unreadable,
    )


def files(sample: schema.Sample) -> list[str]:
    """The files that a sample's record is made from."""
    made = [] if sample.data is not None else [sample.path]
    if sample.label_map and sample.label_map.data is None:
        made.append(sample.label_map.path)
    return [*made, sample.segments] if sample.segments else made


def _work(
    payload: bytes,
    *,
    class_names: tuple[str, ...],
    groups: tuple[str, ...],
    frame: str,
    bake_orientation: bool,
    full_masks: bool,
    scale: bool,
    limit: shrink.Limit | None,
    propose: encode.Propose | None,
    skip_unreadable: bool,
) -> Result:
    """One image's record; a finding where it is unreadable and may be left out."""
    sample: schema.Sample = pickle.loads(payload)
    names = (sample.source_id, sample.filename)
    try:
        data = _bytes(sample)
        image = image_files.normalise(
            data, sample.path, bake_orientation=bake_orientation, limit=limit
        )
    except (OSError, errors.DataError) as error:
        if skip_unreadable:
            finding = schema.Finding("skipped", "unreadable image", sample.filename, str(error))
            return names, finding
        raise errors.DataError(
            f"{error}; mend or remove the file, or leave such images out with --skip_unreadable"
        ) from error
    record = encode.encode(
        sample,
        image,
        class_names,
        groups,
        frame=frame,
        full_masks=full_masks,
        scale=scale,
        propose=propose,
    )
    return names, record


def _bytes(sample: schema.Sample) -> bytes:
    if sample.data is not None:
        return sample.data
    with open(sample.path, "rb") as file:
        if sample.part is None:
            return file.read()
        offset, length = sample.part
        file.seek(offset)
        return file.read(length)
