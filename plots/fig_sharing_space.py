#!/usr/bin/python3
"""Bytes for N containers of one image, and for several images on one base."""

import sys

import figure
import sharing_panels

NAME = "sharing_space"
TITLE = "Bytes for many containers of one image"
CAPTION = ("Growth of the backing file system's used space: by N containers of an image that is there already, each of which "
           "writes one small file; and by a base with N images on it. A driver that copies pays the whole image each time.")


def draw(data):
    return sharing_panels.draw(data, ("pool_bytes", "allocated_bytes"), "space")


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))
