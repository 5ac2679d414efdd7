"""Polygons drawn by COCO's and by OpenCV's rule, and borders followed pixel by pixel, from the definitions."""

import itertools
import math

import numpy as np


def walk(vertices):
    """The steps of a ring of whole vertices, each edge one by one along its longer axis."""
    for (ax, ay), (bx, by) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        dx, dy = abs(bx - ax), abs(by - ay)
        flat = dx >= dy
        turned = ax > bx if flat else ay > by
        (x0, y0), (x1, y1) = ((bx, by), (ax, ay)) if turned else ((ax, ay), (bx, by))
        steps = max(dx, dy)
        slope = ((y1 - y0) if flat else (x1 - x0)) / steps if steps else 0.0
        order = range(steps, -1, -1) if turned else range(steps + 1)
        for t in order:
            yield (x0 + t, int(y0 + slope * t + 0.5)) if flat else (int(x0 + slope * t + 0.5), y0 + t)


def coco(rings, size):
    """The union of rings, each toggling the columns whose centres its walk on a grid five times as fine crosses."""
    mask = np.zeros(size, bool)
    for ring in rings:
        points = np.reshape(ring, (-1, 2)).tolist()
        if len(points) < 3:
            continue
        covered = np.zeros(size, bool)
        steps = list(walk([(int(5 * x + 0.5), int(5 * y + 0.5)) for x, y in points]))
        for (u0, v0), (u1, v1) in itertools.pairwise(steps):
            column = (min(u0, u1) - 2) / 5
            if u0 != u1 and column.is_integer() and 0 <= column < size[1]:
                row = math.ceil((min(v0, v1) - 2) / 5)
                covered[max(row, 0) :, int(column)] ^= True
        mask |= covered
    return mask


def cut(a, b, size):
    """The ends of a line as far as they could be moved into the image, and whether both are in it."""
    height, width = size
    a, b = list(a), list(b)

    def outside(point, axis):
        return -1 if point[axis] < 0 else int(point[axis] >= (width, height)[axis])

    def same_side():
        return any(outside(a, axis) and outside(a, axis) == outside(b, axis) for axis in (0, 1))

    for axis in (1, 0):  # rows first
        if same_side():
            return a, b, False
        for end in (a, b):
            if outside(end, axis):
                target = 0 if end[axis] < 0 else (width, height)[axis] - 1
                end[1 - axis] += int(float(target - end[axis]) * (b[1 - axis] - a[1 - axis]) / (b[axis] - a[axis]))
                end[axis] = target
    return a, b, True


def line(a, b):
    """The 8-connected pixels from a to b: of two as near to the line, that nearer to the left end's row or column."""
    (ax, ay), (bx, by) = sorted((tuple(a), tuple(b)), key=lambda point: point[0])
    dx, dy = bx - ax, abs(by - ay)
    down = 1 if by >= ay else -1
    steps = max(dx, dy)
    if steps == 0:
        return [(ax, ay)]
    aside = [-((steps - 2 * min(dx, dy) * i) // (2 * steps)) for i in range(steps + 1)]  # rounded, halves down
    if dy > dx:
        return [(ax + aside[i], ay + down * i) for i in range(steps + 1)]
    return [(ax + i, ay + down * aside[i]) for i in range(steps + 1)]


def opencv(rings, size):
    """Outlines, and between the crossings of each row."""
    height, width = size
    mask = np.zeros(size, bool)
    crossings = [[] for _ in range(height)]
    if mask.size == 0:
        return mask
    for ring in rings:
        points = [(round(x), round(y)) for x, y in np.reshape(ring, (-1, 2)).tolist()]
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            start, end, within = cut(a, b, size)
            if within:
                for x, y in line(start, end):
                    mask[y, x] = True
            if a[1] == b[1]:
                continue
            if start[1] == end[1]:
                start, end = (start[0], a[1]), (end[0], b[1])
            rise = (end[0] - start[0]) << 16
            run = end[1] - start[1]
            slope = abs(rise) // abs(run) * (1 if (rise < 0) == (run < 0) else -1)
            upper = start if a[1] < b[1] else end
            for y in range(max(min(a[1], b[1]), 0), min(max(a[1], b[1]), height)):
                crossings[y].append((upper[0] << 16) + (y - upper[1]) * slope)
    for y, places in enumerate(crossings):
        places.sort()
        for left, right in zip(places[::2], places[1::2], strict=True):
            first, last = max(-(-left >> 16), 0), min(right >> 16, width - 1)
            mask[y, first : max(last + 1, first)] = True
    return mask


NEIGHBOURS = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)]  # east, then counter-clockwise


def borders(mask):
    """All borders in the raster order of their beginnings, as Suzuki and Abe's algorithm 1 follows them.

    Each is its points, its chain of directions, whether it is a hole's, and its parent's index or -1.
    """
    height, width = mask.shape
    marks = np.zeros((height + 2, width + 2), np.int64)
    marks[1:-1, 1:-1] = mask
    found = []
    for y in range(1, height + 1):
        last = 1  # the border met last in this row; 1 is the frame
        for x in range(1, width + 1):
            if marks[y, x] == 0:
                continue
            is_outer = marks[y, x] == 1 and marks[y, x - 1] == 0
            is_hole = not is_outer and marks[y, x] >= 1 and marks[y, x + 1] == 0
            if is_hole and marks[y, x] > 1:
                last = marks[y, x]
            if is_outer or is_hole:
                met = found[last - 2] if last > 1 else None
                met_is_hole = met is None or met[2]
                parent = last - 2 if met_is_hole != is_hole else (-1 if met is None else met[3])
                points, chain = follow(marks, x, y, 4 if is_outer else 0, len(found) + 2)
                found.append((points, chain, is_hole, parent))
            if marks[y, x] != 1:
                last = abs(marks[y, x])
    return found


def follow(marks, x, y, towards, number):
    """Follow the border at a pixel whose neighbour in that direction is background, and mark it."""
    around = [(towards - i) % 8 for i in range(1, 8)]
    before = next((d for d in around if marks[y + NEIGHBOURS[d][1], x + NEIGHBOURS[d][0]]), None)
    if before is None:
        marks[y, x] = -number
        return [(x - 1, y - 1)], []
    first, stop = (x, y), (x + NEIGHBOURS[before][0], y + NEIGHBOURS[before][1])
    points, chain = [], []
    while True:
        examined = []
        for i in range(1, 9):
            direction = (before + i) % 8
            following = (x + NEIGHBOURS[direction][0], y + NEIGHBOURS[direction][1])
            if marks[following[1], following[0]]:
                break
            examined.append(direction)
        if 0 in examined:
            marks[y, x] = -number
        elif marks[y, x] == 1:
            marks[y, x] = number
        points.append((x - 1, y - 1))
        chain.append(direction)
        if following == first and (x, y) == stop:
            return points, chain
        (x, y), before = following, (direction + 4) % 8


def polygons(mask, mode, simplify):
    """Points of the borders of one mask, and for the tree the hierarchy, in OpenCV's order."""
    found = borders(mask)
    children = {i: [] for i in range(-1, len(found))}
    for i, (_, _, _, parent) in enumerate(found):
        children[parent].insert(0, i)
    order = []

    def visit(border):
        order.append(border)
        for child in children[border]:
            visit(child)

    for border in children[-1]:
        visit(border)
    if mode == "external":
        order = [i for i in order if found[i][3] == -1]
    result = []
    for i in order:
        points, chain = found[i][:2]
        kept = [k for k in range(len(points)) if not simplify or not chain or chain[k] != chain[k - 1]]
        result.append(np.array([points[k] for k in kept], np.int32).reshape(-1, 2))
    place = {-1: -1} | {border: k for k, border in enumerate(order)}
    hierarchy = np.full((len(order), 4), -1, np.int32)
    for border, k in place.items():
        if border < 0 or mode == "external":
            continue
        siblings = children[found[border][3]]
        at = siblings.index(border)
        hierarchy[k] = (
            place[siblings[at + 1]] if at + 1 < len(siblings) else -1,
            place[siblings[at - 1]] if at > 0 else -1,
            place[children[border][0]] if children[border] else -1,
            place[found[border][3]],
        )
    return result, hierarchy
