#!/usr/bin/python3
"""Inodes for N containers of one image, and for several images on one base."""

import sys

import figure
import sharing_panels

NAME = "sharing_inodes"
TITLE = "Inodes for many containers of one image"
CAPTION = ("Inodes that the driver's files take on top of what was there, each counted once: an exact number, the same in "
           "every run. A file system "
           "with a fixed inode table is full when they run out, whatever the bytes.")


def draw(data):
    return sharing_panels.draw(data, ("inodes",), "inodes")


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))
