# SPDX-License-Identifier: MIT
# draw.awk -v title=... -v across=... -v up=...: lines "series;x;y" become an SVG
# with a line a series, both axes logarithmic, in the order of appearance.
BEGIN {
    FS = ";"
    left = 70; right = 580; top = 70; bottom = 310
    split("#c2410c #2563eb #6b7280 #15803d", colours, " ")
}
function log10(value) { return log(value) / log(10) }
function floor(value) { return int(value) - (value < int(value)) }
function x_of(value) { return left + (log10(value) - x_from) * (right - left) / (x_to - x_from) }
function y_of(value) { return bottom - (log10(value) - y_from) * (bottom - top) / (y_to - y_from) }
function grouped(number,    text) {
    text = number ""
    while (text ~ /[0-9][0-9][0-9][0-9]/) sub(/[0-9][0-9][0-9]($|,)/, ",&", text)
    return text
}
{
    if (!($1 in count)) names[++series] = $1
    n = ++count[$1]
    xs[$1, n] = $2; ys[$1, n] = $3
    if (NR == 1) { x_least = x_most = $2; y_least = y_most = $3 }
    if ($2 + 0 < x_least + 0) x_least = $2
    if ($2 + 0 > x_most + 0) x_most = $2
    if ($3 + 0 < y_least + 0) y_least = $3
    if ($3 + 0 > y_most + 0) y_most = $3
}
END {
    x_from = floor(log10(x_least)); x_to = -floor(-log10(x_most))
    y_from = floor(log10(y_least)); y_to = -floor(-log10(y_most))
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 620 370\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<rect width=\"620\" height=\"370\" fill=\"#fff\"/>"
    printf "<text x=\"%d\" y=\"28\" font-size=\"15\">%s</text>\n", left, title
    for (decade = x_from; decade <= x_to; ++decade) {
        at = x_of(10 ^ decade)
        printf "<path d=\"M%.1f %dV%d\" stroke=\"#e5e7eb\"/>\n", at, top, bottom
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at, bottom + 18, grouped(10 ^ decade)
    }
    for (decade = y_from; decade <= y_to; ++decade) {
        at = y_of(10 ^ decade)
        printf "<path d=\"M%d %.1fH%d\" stroke=\"#e5e7eb\"/>\n", left, at, right
        printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left - 8, at + 4, grouped(10 ^ decade)
    }
    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (left + right) / 2, bottom + 42, across
    printf "<text x=\"18\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 18 %d)\">%s</text>\n",
        (top + bottom) / 2, (top + bottom) / 2, up
    for (i = 1; i <= series; ++i) {
        name = names[i]
        path = ""
        for (k = 1; k <= count[name]; ++k) {
            x = x_of(xs[name, k]); y = y_of(ys[name, k])
            path = path (k == 1 ? "M" : "L") sprintf("%.1f %.1f", x, y)
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y, colours[i]
        }
        printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path, colours[i]
        printf "<text x=\"%d\" y=\"54\" fill=\"%s\">%s</text>\n", left + 120 * (i - 1), colours[i], name
    }
    print "</svg>"
}
