#!/bin/bash
#WORKLOAD what: ImageMagick over many files
#SBATCH --mem=600
mkdir -p in out
for i in $(seq 1 40); do
  convert -size 320x240 "gradient:hsl($((i * 9)),80%,60%)-hsl($((i * 5)),60%,30%)" -swirl $((i * 10)) "in/$i.png" &&
    convert "in/$i.png" -resize 150% -sharpen 0x2 -rotate $((i * 3)) -colorspace gray "out/$i.png" &&
    identify -format "%f %wx%h %#\n" "out/$i.png"
done
montage out/*.png -geometry 64x64+2+2 sheet.png
identify -format "%f %wx%h %#\n" sheet.png
