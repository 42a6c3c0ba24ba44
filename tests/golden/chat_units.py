# SPDX-License-Identifier: Apache-2.0
"""Small templates for make_chat_goldens.py: what each construct of the language does, and what must fail."""

VARIABLES = {
    "s": "Hello, World", "u": "Grüße, ΑΣ Straße 🧮 世界", "blank": "  \t\n x y \u3000\n", "empty": "",
    "i": 7, "n": -3, "f": 2.5, "yes": True, "no": False, "nil": None, "big": 9007199254740993,
    "l": [3, 1, 2], "words": ["b", "A", "c"], "nest": [[1, 2], [3, [4, "x"]]],
    "d": {"b": 1, "a": "two", "c": None, "items": "shadow", "k": {"x": [1.5, True]}},
    "rows": [{"n": "x", "v": 2, "t": {"k": 1}}, {"n": "Y", "v": 1}, {"n": "z", "v": 2, "t": {"k": 0}}],
    "html": "<a href=\"x\">'&'</a>", "lines": "one\n\n two\r\nthree\n",
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}],
}


def expressions(text):
    return ["{{ " + line.strip() + " }}" for line in text.strip().splitlines() if line.strip()]


UNITS = expressions(r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2, -7 // 2, 7 // -2, 7 % 3, -7 % 3, 7 % -3
7 / 2, 6 / 3, 2 ** 10, 2 ** -1, -2 ** 2, 2 ** 3 ** 2
7.5 // 2, -7.5 % 2, 7.5 % -2, 1e3, 1.5e-7, 1e16, 123456789012345680.0, 0.1 + 0.2
0.0001, 0.00001, 1e22, 1e15, 100000.0, -0.0, 5e-324, 1.7976931348623157e308
1_000, 0x1F, 0b101, 0o17, 1_0.5
i + f, i * n, n ** 2, i - yes, yes + yes, -yes, +yes, +f
'a' + 'b' ~ 1 ~ none ~ true ~ 1.0
'a' 'b' "c"
'ab' * 3, 2 * 'x', 'x' * -1, [1] * 2, (1,) * 2
[1] + [2, 3], (1,) + (2,)
s, u, nil, yes, no, i, f, big
l, words, nest, d, rows
(), (1,), (1, 2), [], {}
'it\'s', ["it's"], ['"'], ['\'"'], ["tab\t nl\n \\ nul\x00 é \u200b \U0001F600 \x7f \xa0"]
'\x41\u00e9\101\n\q'
1 < 2, 1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, 1 == true, 'a' == 'a', 'a' != 'b', 'a' < 'b', 'Z' < 'a', [1, 2] < [1, 3]
none == none, none == false, [] == (), [1, 2] == [1, 2], {'a': 1} == {'a': 1.0}, 'a' == 1
1 in l, 9 in l, 9 not in l, 'ell' in s, 'x' in s, 'a' in d, 'z' in d, '' in s, none in [none]
not yes, not no, not '', not [], not {}, not 0, not 0.0, not none, not 'x'
yes and 'x', no and 'x', yes or 'x', no or 'x', '' or 0, 1 and 2 and 3
not 1 == 2
'a' if yes else 'b', 'a' if no else 'b'
'a' if no
('a' if no) is defined
1 if no else 2 if no else 3
s[0], s[-1], s[1:4], s[:-2], s[::2], s[::-1], s[10:], s[100:], s[-100:2], s[5:2], s[4:1:-1]
u[0], u[2], u[-1], u[9:], u[::-1], u|length, u.find('S'), u[:3]
l[0], l[-1], l[1:], l[::-1], l[:2], l[5:], l[-2:], (1, 2, 3)[1:]
l[0:3:2], l[2:0:-1], l[:-4:-1], l[none:2]
l[5] is defined, l['x'] is defined, d['zz'] is defined, d.zz is defined, s[99] is defined, i.x is defined
d.b, d['a'], d.k.x, d.k['x'][0], d['k'].x[1]
d.items() | list
d['items'], d.get('items'), d.get('zz'), d.get('zz', 5), d.keys(), d.values(), d.k.items()
d.keys() | list, d.values() | list, d | list, d | length
d | items | list
nest[1][1][1], nest.1.1.0, rows[0].t.k, rows.0.n
missing, missing ~ 'x', missing | length, missing | list, missing | join(','), missing | upper
missing is defined, missing is undefined, d is defined, missing == missing, missing or 'z', not missing
missing | default('x'), missing | d('x'), '' | default('x'), '' | default('x', true), nil | default('x'), nil | d('x', boolean=true)
s | upper, s | lower, s | length, s | count, s | title, s | capitalize, s | reverse
u | upper, u | lower, u | title, u | capitalize
'ǆ ﬁ ß İ ŉ ΣΑΣ ΑΣ.' | lower, 'ǆ ﬁ ß ŉ' | upper, 'ǆ ﬁ ß ŉ'.title(), 'ǆx'.capitalize()
"they're bill's-friends (x) [y] {z} <w> a_b 1st" | title
"they're bill's-friends 1st x2y" .title()
'hELLO wORLD'.swapcase(), 'hELLO'.capitalize()
blank | trim, '[' ~ blank.strip() ~ ']', '[' ~ blank.lstrip() ~ ']', '[' ~ blank.rstrip() ~ ']'
'xxaxx' | trim('x'), 'xyaxy'.strip('yx'), 'xyaxy'.lstrip('x'), 'xyaxy'.rstrip('xy'), 'éaé'.strip('é'), 'a'.strip('')
s.split(','), s.split(), 'a b  c '.split(' '), 'a b  c '.split(), 'a,b,c'.split(',', 1), 'a b c'.split(none, 1), ' a b '.split(maxsplit=1)
'a,b,c'.rsplit(',', 1), ' a b c '.rsplit(none, 1), 'a b'.rsplit(), 'abc'.rsplit('x', 1), ''.split(), ''.split(',')
'a--b--c'.split('--'), 'aaa'.split('aa'), 'aaa'.rsplit('aa', 1)
lines.splitlines(), lines.splitlines(true), ''.splitlines(), 'a\x0bb\x1cc\u2028d'.splitlines()
s.startswith('Hell'), s.startswith('x'), s.endswith('ld'), s.startswith(('x', 'H')), s.startswith('ell', 1), s.endswith('')
s.find('o'), s.find('o', 5), s.find('zz'), s.rfind('o'), s.index('W'), s.count('o'), s.count(''), 'aaaa'.count('aa'), s.find('l', -3)
s.replace('l', 'L'), s.replace('l', 'L', 1), s | replace('o', '0'), s | replace('o', '0', 1), 'abc'.replace('', '-'), 'é'.replace('', '-'), 'aaa'.replace('aa', 'b')
i | replace('7', '8')
', '.join(words), ''.join([]), words | join, words | join('-'), l | join(', '), rows | join(',', attribute='n'), 'abc' | join('.')
s.partition(', '), s.rpartition('o'), s.partition('zz'), s.rpartition('zz')
'prefix-x'.removeprefix('prefix-'), 'x.py'.removesuffix('.py'), 'x'.removeprefix('y')
'abc'.isalpha(), 'ab1'.isalnum(), '12'.isdigit(), ' '.isspace(), 'ABC'.isupper(), 'abc'.islower(), ''.isdigit(), 'aB'.islower(), 'é'.isalpha()
s is string, i is number, i is integer, f is float, yes is boolean, d is mapping, l is iterable, l is sequence, s is sequence, d is sequence
yes is number, yes is integer, f is number, nil is none, none is none, i is none, s is mapping, i is iterable, i is sequence
yes is true, no is false, 1 is true, yes is false, yes is sameas true, nil is sameas none
3 is odd, 4 is odd, 4 is even, -3 is odd, 9 is divisibleby 3, 9 is divisibleby(4)
i is eq 7, i is equalto 8, i is ne 8, i is lt 8, i is gt 8, i is le 7, i is ge 8, i is lessthan 9, i is greaterthan 9
1 is in l, 'a' is in 'abc', 9 is not in l, s is not none, s is not string
'a' is lower, 'A' is upper, range is callable, s is callable, missing is iterable, missing is sequence, missing is mapping
'upper' is filter, 'nope' is filter, 'odd' is test
l | first, l | last, l | sum, l | min, l | max, l | sort, l | sort(reverse=true), l | reverse | list
words | sort, words | sort(case_sensitive=true), words | min, words | max, words | map('upper') | list
[] | first is defined, [] | last is defined, [] | max is defined, [] | sum, '' | first is defined, 'abc' | first, 'abc' | last
rows | map(attribute='n') | list, rows | map(attribute='t.k') | list, rows | map(attribute='t.k', default=9) | list
rows | selectattr('v', 'equalto', 2) | map(attribute='n') | join, rows | rejectattr('v', 'eq', 2) | list, rows | selectattr('t') | list | length
rows | selectattr('t', 'defined') | list | length, rows | selectattr('v', '>', 1) | list | length, rows | selectattr('n', 'in', ['x', 'z']) | list | length
l | select('odd') | list, l | reject('odd') | list, l | select('gt', 1) | list, [0, 1, '', none] | select | list, [0, 1] | reject | list
rows | sort(attribute='v') | map(attribute='n') | list, rows | sort(attribute='v,n') | map(attribute='n') | list, rows | sum(attribute='v')
rows | groupby('v') | map('first') | list, (rows | groupby('v'))[0][1] | length, rows | max(attribute='v')
[3, 1, 3, 2, 1] | unique | list, ['a', 'A', 'b'] | unique | list, ['a', 'A'] | unique(case_sensitive=true) | list
d.k | dictsort, {'b': 1, 'A': 2} | dictsort, {'b': 1, 'A': 2} | dictsort(true), {'b': 1, 'A': 2} | dictsort(false, 'value'), {'b': 1, 'a': 2} | dictsort(reverse=true)
[1, 2, 3, 4, 5] | batch(2) | list, [1, 2, 3] | batch(2, 'x') | list
(l | select('odd')) and 'true', ([] | select) and 'true', ([] | map('upper')) is iterable, (l | map('string')) is sequence
'42' | int, ' 42 ' | int, '4.9' | int, 'x' | int, 'x' | int(5), f | int, '0x1f' | int(base=16), '1_000' | int, none | int, [] | int(3), '1e3' | int, true | int, '-7' | int
'2.5' | float, 'x' | float, 'x' | float(1.5), i | float, '1e3' | float, ' 1 ' | float
f | round, 2.5 | round, 3.5 | round, 2.567 | round(2), 2.567 | round(1, 'floor'), 2.51 | round(1, 'ceil'), 7 | round, 1234 | round(-2), 0.125 | round(2), 2.675 | round(2)
-5 | abs, 5.5 | abs, n | abs, true | abs
i | string, none | string, l | string, f | string ~ 'x', [1, none, true, 'a', 2.0] | string
d | tojson, l | tojson, nil | tojson, s | tojson, f | tojson, yes | tojson, u | tojson, '"\\/\n\t\b\f\r\x01\x7f<&>' | tojson
d | tojson(indent=2), nest | tojson(indent=1), [] | tojson(indent=4), {} | tojson(indent=4), {'a': []} | tojson(indent=0), {'b': 1, 'a': 2} | tojson(sort_keys=true)
{'a': (1, 2), 'b': 1e20, 'c': 1e-7, 1: 2} | tojson, (1,) | tojson
d | tojson(indent='--')
html | e, html | escape, html | safe, html | e | e, '<' ~ ('>' | safe), ('<' | safe) + '>', '<' + ('>' | e), html | forceescape
(html | safe) is escaped, html is escaped
lines | indent, lines | indent(2), lines | indent(2, true), lines | indent(2, true, true), lines | indent('> '), lines | indent(width=1, blank=true)
'%s is %d' | format('x', 3), '%.2f' | format(2.567), '%5d|%-5d|%05d' | format(1, 2, 3), '%s' % 'x', '%s-%s' % (1, 2), '%x' % 255, '%r' % 'a', '%%' % (), '%5.1f' % 2.25
'a b c' | wordcount, 'é_1 世界\u3000- x' | wordcount, missing | last, (missing | reverse) is defined, 'x' % [1], 'x' % d
range(3) | list, range(1, 4) | list, range(5, 0, -2) | list, range(0) | list, range(3), range(1, 9, 2), range(3)[1], range(3) | length
range(3)[1:] | list
dict(a=1, b=2), dict({'x': 1}, y=2), dict([('p', 1)])
{'a': 1, 'a': 2}, {1: 'x', 'k': [1]}[1], {'a': {'b': 2}}.a.b
namespace(a=1).a, namespace(a=1).b is defined, namespace(a=1)['a'], namespace({'q': 1}).q
strftime_now('%d %b %Y'), strftime_now('%Y-%m-%d %H:%M')
messages[0].content, messages[-1]['role'], messages | length, messages[1:][0].role, messages[::-1][0].content
messages | map(attribute='role') | join('/')
1.0, 10.0, 1.10, 3.14159, 1e100, 12345678.9
l.index(1), l.count(3), (1, 2).index(2)
loop is defined
'a' in missing
(missing | default([])) | length
[missing], {'a': missing}
s|upper|lower|title|length
- 3 | abs, (-3) | abs
1 - 1, 1 -1, 1-1
not s is string
i == 7 and f == 2.5 or missing.foo
1 or missing.foo
yes is defined and yes
s is defined and s is not none and s | length > 3
'abc'[1], 'abc'[1:][0], ('a', 'b')[1], {'x': 1}['x'], [[1], [2]][1][0]
s.upper().lower().title().strip('Hd')
(s ~ '!') | length
d | length > 2
d.items is defined, s.upper is defined, s.nope is defined, l.append is defined
d.__class__ is defined, s.__len__ is defined
nil.foo is defined
(1, 2) + (3,) == (1, 2, 3)
1 if missing is defined else 2
[1, 2, 3,], (1,), {'a': 1,}
{}.get('a', {}).get('b', 'z')
'x' * 0, [] * 3
(d | items | list)[0][0]
nest | first | last
nest | map('first') | list, nest | map('last') | list, nest | map('length') | list
words | map('lower') | sort | join, ['a', 'b'] | map('replace', 'a', 'z') | list
l | map('string') | join('+')
u | tojson | length
big, big + 1, 9223372036854775807, 4611686018427387904 * 1
1 == 1 == 1, 1 != 2 != 1, 3 > 2 >= 2 > 1, 1 < 2 == true
'é' < 'z', 'a' < 'é', '🧮' > 'z', '' < 'a'
[1, [2, 'a']] == [1, [2, 'a']], [1, 2] != [2, 1], (1, 2) < (1, 2, 0)
7 is divisibleby 7 and true
[1, 2] is in [[1, 2]]
d | attr('b') is defined, s | attr('upper') is defined
""")

# Statements, white space, scopes.
UNITS += [
    "", "plain", "plain\n", "plain\n\n", "a\r\nb\rc", "{# c #}x", "a {# c #} b", "a\n  {# c #}\nb", "a {#- c -#} b",
    "{% if yes %}y{% endif %}", "{% if no %}y{% endif %}", "{% if no %}a{% elif yes %}b{% else %}c{% endif %}",
    "{% if no %}a{% elif no %}b{% elif no %}x{% else %}c{% endif %}", "{% if missing %}a{% else %}b{% endif %}",
    "  {% if yes %}\n  x\n  {% endif %}\n  z", "  {%+ if yes %}\n  x\n  {%+ endif %}\n  z", "a  {%- if yes -%}  b  {%- endif -%}  c",
    "a {% if yes +%}\nb{% endif +%}\nc", "a\n\n  {%- if yes %}\n\n b{% endif %}", "  {{ i }}  \n  {{- i -}}  \n x", "{{ i }}\n{{ i }}\n",
    "x {% if yes %} y {% endif %} z", "\t{% if yes %}\n\ty\n\t{% endif %}\n", "{% if yes %}\n\n\ny{% endif %}", "a{% if yes %}   \nb{% endif %}",
    "\u3000{% if yes %}x{% endif %}", "a \u3000\n{%- if yes %}x{% endif %}", "{{ '{{' }}{{ '%}' }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{% raw -%}  x  {%- endraw %} y", "a\n  {% raw %}\n x\n  {% endraw %}\nb", "{%- raw %}{{ '{%' }}{% endraw -%} z",
    "{% for x in l %}{{ x }}{% endfor %}", "{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}-{{ loop.nextitem }}|{{ loop.previtem is defined }};{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in l %}{{ loop.changed(x > 1) }}{% endfor %}", "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in missing %}a{% else %}none{% endfor %}", "{% for x in l %}a{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }};{% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d | items %}{{ k }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }};{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for c in 'aé🧮' %}{{ c }}|{% endfor %}",
    "{% for a, b in ['xy', 'zw'] %}{{ b }}{{ a }}{% endfor %}", "{% for x in range(3) %}{% for y in range(x) %}{{ x }}{{ y }}{{ loop.index }};{% endfor %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in l %}{% set q = x %}{% endfor %}{{ q is defined }}", "{% set q = 0 %}{% for x in l %}{% set q = q + x %}{{ q }}{% endfor %}{{ q }}",
    "{% set ns = namespace(q=0) %}{% for x in l %}{% set ns.q = ns.q + x %}{% endfor %}{{ ns.q }}", "{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}{{ ns.y is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, %}{{ a }}", "{% set (a, b) = [3, 4] %}{{ a }}{{ b }}", "{% if yes %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% set x %}a{{ i }}b{% endset %}{{ x }}", "{% set x | upper %}a{{ i }}b{% endset %}{{ x }}", "{% set x | trim | replace('a', 'z') %} a {% endset %}[{{ x }}]", "{% set x %}\n  y\n{% endset %}[{{ x }}]",
    "{% set i = 9 %}{{ i }}", "{% set s = s ~ '!' %}{{ s }}", "{% set x = 'a' if no else 'b' %}{{ x }}", "{% set x = [1] + [2] %}{{ x }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}", "{% macro m() %}{{ i }}{{ q }}{% endmacro %}{% set q = 5 %}{{ m() }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a, b=a ~ '!') %}{{ b }}{% endmacro %}{{ m('x') }}", "{% macro m() %}  x\n{% endmacro %}[{{ m() | trim }}]", "{% macro m(a) %}<{{ caller() }}{{ a }}>{% endmacro %}{% call m(1) %}in{{ i }}{% endcall %}",
    "{% macro m() %}{{ caller(5) }}{% endmacro %}{% call(v) m() %}got {{ v }}{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}{% set i = 1 %}{{ i }}{% endmacro %}{{ m() }}{{ i }}",
    "{% macro m(x) %}{% if x is string %}{{ x }}{% else %}{% for y in x %}{{ m(y) }}{% endfor %}{% endif %}{% endmacro %}{{ m(['a', ['b', 'c']]) }}", "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'a': 2}) }}{{ m.name }}", "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}banana{% endfilter %}",
    "{% with x = 1, y = 2 %}{{ x }}{{ y }}{% endwith %}{{ x is defined }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% with i = i + 1 %}{{ i }}{% endwith %}{{ i }}",
    "{% generation %}x{{ i }}{% endgeneration %}", "a\n{% generation %}\nx\n{% endgeneration %}\nb", "{% print i, s %}" if False else "{{ i, s }}", "{{ (1, 2)[0] }}{{ 'a', }}",
    "{%- for m in messages -%}\n  {{ m.role }}: {{ m.content }}\n{%- endfor %}", "{%- for m in messages %}\n    {{- '<' + m['role'] + '>' }}\n{%- endfor %}\n", "{% for m in messages %}\n{{ m.role }}\n{% endfor %}\n",
    "{% set ns = namespace(found=false) %}{% for m in messages %}{% if m.role == 'assistant' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
    "{% for m in messages | selectattr('role', 'equalto', 'user') %}{{ m.content }}{{ loop.index }}{% endfor %}", "{% set c = messages | map(attribute='content') | list %}{{ c[1] }}", "{% set g = l | select('odd') %}{{ g | list }}{{ g | list }}",
    "{{ messages[loop_index | default(0)].role }}", "{% set x = {'a': [1, 2]} %}{{ x.a[1] }}{{ x['a'] | length }}", "{%if yes%}a{%endif%}{{i}}", "{{i}}{{-i}}", "{{- i }}", "{%- if yes -%} a {%- endif -%}",
    "{{ '\n' }}x", "{{ 'a\nb' }}", "{{ \"it's\" }}", "{{ 'a' ~\n 'b' }}", "{{ '<|im_start|>' + messages[0].role + '\\n' + messages[0].content }}", "{% if messages[0].role == 'user' and messages[1].role != 'user' %}ok{% endif %}",
    "{% if s is string %}a{% elif s is iterable %}b{% endif %}", "{% if not (i > 3 and f < 3) %}a{% else %}b{% endif %}", "{% if no %}{{ s | nosuchfilter }}{% endif %}ok", "{{ (s | nosuchfilter) if no else 'ok' }}", "{% if no %}{{ missing.x.y }}{% endif %}ok",
    "{% set loop_messages = messages[1:] %}{% for m in loop_messages %}{{ m.role }}{% endfor %}", "{{ s if s is defined }}{{ zz if zz is defined }}", "{% set tools = none %}{% if tools is not none %}a{% else %}b{% endif %}",
    "{% for x in l %}{{ x }}{% endfor %}{{ x is defined }}", "{% for x in l %}{% set x = x * 2 %}{{ x }}{% endfor %}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{{ [1, 2, 3] | map('string') | map('int') | sum }}",
    "{% if yes: %}a{% endif %}", "{% for x in l: %}{{ x }}{% endfor %}", "{{ s | replace('Hello', 'Bye') | upper }}", "{{ 1 }}{# a #}{# b #}\n{# c #}\n2", "{# multi\nline #}\nx", "{{ lines }}", "{{ blank }}",
    "{% set x = 'a' %}{% set x = x + 'b' %}{{ x }}", "{% for k, v in rows[0].items() if v is not mapping %}{{ k }}={{ v }} {% endfor %}", "{{ rows[0] | tojson }}\n{{ rows | tojson(indent=4) }}", "{% for r in rows %}{{ r.t.k if r.t is defined else '-' }}{% endfor %}",
    "{%- set x = namespace(a=[], b='') %}{%- for r in rows %}{%- set x.a = x.a + [r.n] %}{%- set x.b = x.b ~ r.n %}{%- endfor %}{{ x.a }}{{ x.b }}", "{{ d.k | tojson | replace('\"', \"'\") }}", "{{ ns }}{{ missing }}x", "{{ namespace(a=1, b='x') }}",
    "{% for i in range(2) %}{{ i }}{{ loop.index }}{% endfor %}{{ i }}", "{{ s[:5] | upper ~ s[5:] }}", "{{ 'A' if i == 7 else 'B' if i == 8 else 'C' }}", "{{ ('A' if i == 8 else 'B') ~ 'x' }}", "{{ u.split(' ')[-1] }}{{ u.split('ß') | length }}",
]

# What must fail.
UNITS += expressions(r"""
missing.x
missing['x']
missing.x.y
missing()
missing + 1
missing + 'a'
'a' + missing
-missing
missing < 1
missing | tojson
[missing] | tojson
missing | int
missing | abs
'a' + 1
1 + 'a'
'a' - 'b'
none + 1
[] + 'a'
{} + {}
'a' < 1
none < 1
[1] < 1
{} < {}
1 / 0
1 // 0
1 % 0
1.0 / 0
'x' | nosuchfilter
'x' is nosuchtest
s.nosuchmethod()
s.append('x') if no else l.append(4)
l.append(4)
d.update({'x': 1})
d.pop('b')
l.pop()
d.__class__.__name__
s.__class__()
nosuchfunction()
i()
s()
none()
none | length
1 | length
f | length
none | list
1 | list
1 | join
1 | first
none | items | list
l | items | list
s | dictsort
[1, 'a'] | sort
[none, 1] | max
l | sum(start='')
['a'] | sum
raise_exception('no')
range(1000000)
range(1, 2, 0)
range('a')
range()
'a'.split('')
'abc'.index('z')
s.join([1])
s.replace('a')
s.startswith(1)
s.split(1)
s | replace('a')
s | trim(1)
1 in 1
1 in 'abc'
none in 'abc'
'a' in none
{[]: 1}
{'a': 1}[[]].x
l[0:1:0]
d[0:1]
i[1:]
missing[1:]
l['a':]
s | upper(1)
s | indent(first=1, nope=2)
d | tojson(nope=1)
f | round(1, 'nope')
rows | selectattr('v', 'nosuchtest') | list
rows | map('nosuchfilter') | list
rows | map | list
rows | selectattr | list
rows | map(attribute='t.k.z') | list
'%d' | format('x')
'%s %s' | format('x')
'%s' | format('x', 'y')
(l | map('string'))[0].x
(l | map('string')) | length
(l | map('string')) | last
namespace(1)
dict(1)
range | tojson
namespace(a=1) | tojson
1 is divisibleby 0
'a' is odd
*l
a b
1 +
(1
[1, 2
{'a' 1}
1 2
'abc
"abc
}
)
a..b
a[
a[]
a.
a |
a is
a is not
1 if
and 1
not
{{ 1 }}
a = 1
f(a=1, 2)
f(**x, *y)
'\u12'
'\xg1'
$
a ! b
a ? b : c
x is defined is string
""")
UNITS += [
    "{% if %}a{% endif %}", "{% if yes %}a", "{% if yes %}a{% endfor %}", "{% endif %}", "{% for %}{% endfor %}", "{% for x %}{% endfor %}", "{% for x in %}{% endfor %}", "{% for x in l %}a", "{% for 1 in l %}{% endfor %}",
    "{% nosuchtag %}", "{% set %}", "{% set x %}", "{% set 1 = 2 %}", "{% set x = %}", "{% set x.y = 1 %}", "{% set d.b = 1 %}", "{% set d['b'] = 1 %}", "{% set 'a' = 1 %}", "{% set a, b = 1 %}", "{% set a, b = [1] %}", "{% set a, b = [1, 2, 3] %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in f %}{% endfor %}", "{% break %}", "{% continue %}", "{{ i", "{{ i %}", "{% if yes }}", "{# open", "{% raw %}open",
    "{% macro %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a) %}{{ a.b.c }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% call m() %}{% endcall %}", "{% call i %}{% endcall %}", "{% macro m() %}{% endmacro %}{% call m() %}x{% endcall %}", "{% filter %}{% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% else %}", "{% elif %}", "{% if yes %}{% else %}{% else %}{% endif %}",
    "{% if yes %}{% else %}{% elif yes %}{% endif %}", "{% for x in l %}{{ s | nosuchfilter }}{% endfor %}", "{{ s | nosuchfilter if yes }}", "{% if yes %}{{ s | nosuchfilter }}{% endif %}", "{% for x in [] %}{{ s | nosuchfilter }}{% endfor %}", "{{ }}", "{{}}", "{% %}", "{{ 'a' 1 }}", "{% set x = 1 2 %}",
    "{% if yes %}{{ raise_exception('no: ' ~ i) }}{% endif %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% for x in l %}{{ loop.nosuch.x }}{% endfor %}", "{{ loop.index }}", "{% with x %}{% endwith %}", "{% set ns = namespace(a=1) %}{{ ns.b.c }}",
    "{% for x in l recursive %}{{ loop(5) }}{% endfor %}", "{{ messages[5].role }}", "{{ messages[0].tool_calls[0].name }}", "{{ messages[0].content.foo.bar }}", "{{ messages.role.x }}", "{{ messages[0]['x']['y'] }}", "{{ i.x.y }}", "{{ none.x.y }}", "{{ nil['a']['b'] }}",
]
