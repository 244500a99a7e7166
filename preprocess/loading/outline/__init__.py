"""Parts of a garment's outline, from which `garment_outline` derives landmarks.

upright       the mask made small, smooth and upright, with its axis of symmetry
notches       where the outline bends inwards: armpits, the crotch, the edge of a hood
arcs          polygons with few corners that fit a part of the outline
trunk         the trunk without sleeves, its width and how it leans
shoulders     shoulders and the ends of short sleeves
sleeves       a long sleeve's middle line, its half and its end
hems          a hem's corners and a dress's waist
legs          trousers, shorts and skirts
plausibility  confidence: how far the points agree with a garment's build
"""
