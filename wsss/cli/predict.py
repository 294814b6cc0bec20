"""``wsss predict``: a trained network on anyone's images; ``wsss pack``: that network as one file."""

from pathlib import Path
from typing import Annotated

import typer

from wsss.cli.app import app
from wsss.cli.options import AsJson, Exif, Frame, is_there, print_json
from wsss.errors import ConfigError
from wsss.images import say_frame
from wsss.log import logger
from wsss.pictures import MASKS, find_pictures

Network = Annotated[
    Path,
    typer.Argument(
        callback=is_there, help="A folder of the stage segment (work/NAME/segment), or a file of wsss pack."
    ),
]
_SHOWN = 5


@app.command(epilog="Example: wsss predict work/demo/segment photos 'more/*.jpg' --out out --overlays")
def predict(
    network: Network,
    inputs: Annotated[
        list[str], typer.Argument(help="Images, folders, patterns, or lists .txt with a path in each line.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write: masks/NAME.png and what is asked for.")],
    scales: Annotated[
        str | None, typer.Option(help="Factors on the image's size: 0.5,1. Default: the network's.")
    ] = None,
    flip: Annotated[bool | None, typer.Option(help="Add mirrored images. Default: the network's.")] = None,
    crf: Annotated[bool | None, typer.Option(help="Dense CRF. Default: the network's.")] = None,
    window: Annotated[
        int | None, typer.Option(help="Images with a longer side are predicted in windows. Default: 1536")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images of one size to predict together.")] = 1,
    tags: Annotated[
        Path | None,
        typer.Option(
            callback=is_there, help="A CSV (file,tags): each image has classes of its own tags alone."
        ),
    ] = None,
    overlays: Annotated[bool, typer.Option(help="Write overlays/NAME.jpg too.")] = False,
    probabilities: Annotated[bool, typer.Option(help="Write probabilities/NAME.npz too.")] = False,
    exif: Exif = None,
    rle: Annotated[bool, typer.Option(help="Write predictions.json in COCO's RLE too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Label the pixels of any images with a trained network.

    An image that cannot be read is named and the rest goes on; the exit status is 1 then. The same command
    goes on where it was stopped.
    """
    pictures = find_pictures(inputs, out_dir=out)
    factors = None if scales is None else _scales(scales)
    # Here, because torch takes its time.
    from segment.files import How, predict_files, read_tags
    from segment.segmentor import WINDOW, load_segmentor

    how = How(
        scales=factors,
        flip=flip,
        crf=crf,
        window=WINDOW if window is None else window,
        batch=batch,
        overlays=overlays,
        probabilities=probabilities,
        rle=rle,
        upright=exif is not Frame.KEEP,
    )
    segmentor = load_segmentor(network)
    own = None
    if tags is not None:
        own, remarks = read_tags(tags, segmentor.classes)
        for remark in remarks:
            logger.info("%s", remark)
    folder = out.expanduser().absolute()
    unreadable = predict_files(segmentor, pictures, folder, how=how, tags=own)
    for reason in unreadable.values():
        logger.error("%s", reason)
    done = len(pictures) - len(unreadable)
    if as_json:
        print_json({"out": str(folder), "images": done, "unreadable": unreadable})
    else:
        logger.info("predict: %d images, masks are in %s", done, folder / MASKS)
        logger.info("%s", say_frame(how.upright))
    if unreadable:
        logger.error("%d of %d images could not be read", len(unreadable), len(pictures))
        raise typer.Exit(1)


@app.command(epilog="Example: wsss pack work/voc/segment voc.wsss --onnx voc.onnx")
def pack(
    network: Network,
    out: Annotated[Path | None, typer.Argument(help="The file to write.")] = None,
    onnx: Annotated[Path | None, typer.Option(help="Write the network in ONNX too, for any size.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network with classes, normalisation, settings and figures into one file."""
    if out is None and onnx is None:
        raise ConfigError("expected a file to write, got none: name OUT or --onnx FILE")
    from segment.segmentor import load_segmentor, pack_segmentor

    segmentor = load_segmentor(network)
    written = {}
    if out is not None:
        pack_segmentor(segmentor, out.expanduser())
        written["file"] = out.expanduser().absolute()
    if onnx is not None:
        from segment.onnx import export_onnx

        export_onnx(segmentor, onnx.expanduser())
        written["onnx"] = onnx.expanduser().absolute()
    if as_json:
        print_json({name: str(file) for name, file in written.items()})
    else:
        for file in written.values():
            logger.info("%s (%.1f MB)", file, file.stat().st_size / 1e6)


def _scales(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(one) for one in text.replace(",", " ").split())
    except ValueError:
        found = ()
    if not found or min(found) <= 0:
        raise ConfigError(f"expected --scales such as 0.5,1, got {text!r}: correct it")
    return found
