"""Parts of a garment's outline, from which `garment_outline` derives landmarks.

upright   the mask made small, smooth and upright, with its axis of symmetry
notches   where the outline bends inwards: armpits, the crotch
trunk     shoulders, hem and a dress's waist
sleeves   a sleeve's middle line, its half and its end
legs      trousers, shorts and skirts
"""
