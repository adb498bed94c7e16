#include "deploy/pictures/font.h"

#include <stddef.h>

#define GAP 1.8f     /* between letters */
#define SPACE 2.2f   /* a blank's width, before the gap */
#define BASELINE '2' /* the row that letters stand on */
#define FIRST '!'
#define LAST '~'

/* A letter is lines of points: pairs of digits column, row (columns 0..4; rows: 2 baseline, 6 small letters, 8 capitals, 0
 * descenders). A blank lifts the pen; a point twice is a dot. Our own design. */
static const char *const letters[LAST - FIRST + 1] = {
    ['!' - FIRST] = "0804 0202",
    ['"' - FIRST] = "0806 2826",
    ['#' - FIRST] = "1812 3832 0646 0444",
    ['%' - FIRST] = "0248 0808 4242",
    ['&' - FIRST] = "42161738372503122244",
    ['\'' - FIRST] = "0806",
    ['(' - FIRST] = "18070312",
    [')' - FIRST] = "08171302",
    ['*' - FIRST] = "2824 0745 0547",
    ['+' - FIRST] = "0545 2723",
    [',' - FIRST] = "1301",
    ['-' - FIRST] = "0535",
    ['.' - FIRST] = "0202",
    ['/' - FIRST] = "0138",
    ['0' - FIRST] = "183847433212030718",
    ['1' - FIRST] = "071812 0222",
    ['2' - FIRST] = "07183847460242",
    ['3' - FIRST] = "0718384746354443321203 1535",
    ['4' - FIRST] = "32380444",
    ['5' - FIRST] = "480805354443321203",
    ['6' - FIRST] = "3818070312324344351504",
    ['7' - FIRST] = "084812",
    ['8' - FIRST] = "15060718384746351504031232434435",
    ['9' - FIRST] = "1232434738180706153546",
    [':' - FIRST] = "0606 0303",
    [';' - FIRST] = "1616 1301",
    ['<' - FIRST] = "370533",
    ['=' - FIRST] = "0646 0444",
    ['>' - FIRST] = "073503",
    ['?' - FIRST] = "07183847462524 2222",
    ['A' - FIRST] = "022842 1434",
    ['B' - FIRST] = "02083847463505 3544433202",
    ['C' - FIRST] = "4738180703123243",
    ['D' - FIRST] = "02082847433202",
    ['E' - FIRST] = "48080242 0535",
    ['F' - FIRST] = "480802 0535",
    ['G' - FIRST] = "47381807031232434525",
    ['H' - FIRST] = "0208 4248 0545",
    ['I' - FIRST] = "0802",
    ['J' - FIRST] = "3833221203",
    ['K' - FIRST] = "0208 4804 1542",
    ['L' - FIRST] = "080242",
    ['M' - FIRST] = "0208244842",
    ['N' - FIRST] = "02084248",
    ['O' - FIRST] = "183847433212030718",
    ['P' - FIRST] = "02083847463505",
    ['Q' - FIRST] = "183847433212030718 2442",
    ['R' - FIRST] = "02083847463505 2542",
    ['S' - FIRST] = "473818070615354443321203",
    ['T' - FIRST] = "0848 2822",
    ['U' - FIRST] = "080312324348",
    ['V' - FIRST] = "082248",
    ['W' - FIRST] = "0812263248",
    ['X' - FIRST] = "0248 0842",
    ['Y' - FIRST] = "082548 2522",
    ['Z' - FIRST] = "08480242",
    ['[' - FIRST] = "18080212",
    ['\\' - FIRST] = "0831",
    [']' - FIRST] = "08181202",
    ['^' - FIRST] = "062846",
    ['_' - FIRST] = "0141",
    ['a' - FIRST] = "3632 35261605031222 2233",
    ['b' - FIRST] = "0802 0516263533221203",
    ['c' - FIRST] = "3526160503122233",
    ['d' - FIRST] = "3832 3526160503122233",
    ['e' - FIRST] = "043435261605031232",
    ['f' - FIRST] = "281712 0626",
    ['g' - FIRST] = "3631201001 3526160503122233",
    ['h' - FIRST] = "0802 0516263532",
    ['i' - FIRST] = "0602 0808",
    ['j' - FIRST] = "161100 1818",
    ['k' - FIRST] = "0802 3604 1532",
    ['l' - FIRST] = "0802",
    ['m' - FIRST] = "0602 05162522 25364542",
    ['n' - FIRST] = "0602 0516263532",
    ['o' - FIRST] = "162635332212030516",
    ['p' - FIRST] = "0600 0516263533221203",
    ['q' - FIRST] = "3630 3526160503122233",
    ['r' - FIRST] = "0602 051626",
    ['s' - FIRST] = "35261605142433221203",
    ['t' - FIRST] = "18131222 0626",
    ['u' - FIRST] = "0603122233 3632",
    ['v' - FIRST] = "062246",
    ['w' - FIRST] = "0612243246",
    ['x' - FIRST] = "0236 0632",
    ['y' - FIRST] = "0622 4610",
    ['z' - FIRST] = "06360232",
    ['|' - FIRST] = "0901",
    ['~' - FIRST] = "05163445",
};
static const char box[] = "0208484202";

static const char *points_of(char letter)
{
    const char *points = letter >= FIRST && letter <= LAST ? letters[letter - FIRST] : NULL;
    return points ? points : box;
}

int font_letter(char letter, struct font_stroke *stroke, float *advance)
{
    int count = 0;
    char widest = '0';
    *advance = SPACE + GAP;
    if (letter == ' ')
        return 0;
    for (const char *at = points_of(letter); *at; at += 2) {
        if (*at == ' ')
            at++;
        widest = at[0] > widest ? at[0] : widest;
        if (!at[2] || at[2] == ' ')
            continue;
        if (count < FONT_STROKES)
            stroke[count++] = (struct font_stroke){(float)(at[0] - '0'), (float)(at[1] - BASELINE), (float)(at[2] - '0'),
                                                   (float)(at[3] - BASELINE)};
    }
    *advance = (float)(widest - '0') + GAP;
    return count;
}

float font_width(const char *text)
{
    struct font_stroke stroke[FONT_STROKES];
    float width = -GAP, advance;
    for (; *text; text++) {
        font_letter(*text, stroke, &advance);
        width += advance;
    }
    return width > 0 ? width : 0;
}
