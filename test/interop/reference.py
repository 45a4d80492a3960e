"""What the reference says of images and films, for the tests beside this file. A line of JSON an answer.

  draw DIR      save DIR's go-*.png again in the ways that others save images
  images DIR    PDQ of every image: pdqhash over the pixels that Pillow reads, not turned, opacity ignored
  films FILE…   PDQ of a frame a second: pdqhash over frames that libav decodes, as vPDQ takes them
  bench DIR S   images a second of processor time, for S seconds, reading included; then without reading
"""

import json
import os
import sys
import time

import numpy
import pdqhash
from PIL import Image


def text(vector):
    return "%064x" % int("".join(map(str, vector)), 2)


def pixels(path):
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB"))


def draw(directory):
    for name in sorted(os.listdir(directory)):
        if not (name.startswith("go-") and name.endswith(".png")):
            continue
        image = Image.open(os.path.join(directory, name)).convert("RGB")
        base = os.path.join(directory, "py-" + name[3:-4])
        turned = Image.Exif()
        turned[0x0112] = 6
        for quality in 30, 60, 85, 95:
            image.save(f"{base}-{quality}.jpg", quality=quality)
        image.save(f"{base}-444.jpg", quality=90, subsampling=0)
        image.save(f"{base}-422.jpg", quality=90, subsampling=1)
        image.save(f"{base}-progressive.jpg", quality=85, progressive=True)
        image.save(f"{base}-turned.jpg", quality=85, exif=turned)
        image.convert("L").save(f"{base}-grey.jpg", quality=85)
        image.convert("CMYK").save(f"{base}-cmyk.jpg", quality=85)
        image.save(f"{base}-lossy.webp", quality=80)
        image.save(f"{base}-lossless.webp", lossless=True)
        image.save(f"{base}-film.webp", save_all=True, append_images=[image.rotate(90), image.rotate(180)], quality=70)
        image.save(f"{base}.bmp")
        for compression in "tiff_lzw", "tiff_adobe_deflate", "packbits":
            image.save(f"{base}-{compression}.tiff", compression=compression)
        image.convert("1").save(f"{base}-fax.tiff", compression="group4")
        image.convert("L").save(f"{base}-grey.png")
        image.quantize(200).save(f"{base}-palette.png")
        image.quantize(64).save(f"{base}.gif", interlace=1)
        image.quantize(64).save(f"{base}-transparent.gif", transparency=5)
        opacity = image.convert("RGBA")
        opacity.putalpha(image.convert("L"))
        opacity.save(f"{base}-opacity.png")
        opacity.save(f"{base}-opacity.webp", quality=80)
        opacity.save(f"{base}-opacity-lossless.webp", lossless=True, exact=True)
        opacity.convert("LA").save(f"{base}-grey-opacity.png")


def images(directory):
    for name in sorted(os.listdir(directory)):
        array = pixels(os.path.join(directory, name))
        single, quality = pdqhash.compute(array)
        forms, _ = pdqhash.compute_dihedral(array)
        print(json.dumps({"file": name, "quality": quality, "pdq": text(single), "forms": [text(f) for f in forms]}))


def films(paths):
    import av

    for path in paths:
        frames = []
        with av.open(path) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.base_rate)
            step = int(rate) or 1
            for number, frame in enumerate(container.decode(stream)):
                if number % step == 0:
                    array = frame.reformat(frame.width, frame.height, "rgb24", interpolation="AREA").to_ndarray()
                    vector, quality = pdqhash.compute(array)
                    frames.append({"frame": number, "seconds": number / rate, "quality": quality, "pdq": text(vector)})
        print(json.dumps({"file": path, "frames": frames}))


def bench(directory, seconds):
    paths = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    for reading in True, False:
        held = [pixels(path) for path in paths]
        count, started = 0, time.process_time()
        while time.process_time() - started < seconds:
            for path, array in zip(paths, held):
                pdqhash.compute(pixels(path) if reading else array)
                count += 1
        print(json.dumps(count / (time.process_time() - started)))


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "films":
        films(arguments)
    elif command == "bench":
        bench(arguments[0], float(arguments[1]))
    else:
        {"draw": draw, "images": images}[command](*arguments)
