/// Keys of PEFT's patterns with module names to which they apply and to which they do not.
///
/// Every row was checked with Python 3.11 and PEFT's rule:
/// ```python
/// re.match(rf"(.*\.)?({key})$", name) is not None
/// ```
enum PatternTable {
  struct Row: Sendable, CustomStringConvertible {
    let key: String
    let matching: [String]
    let others: [String]

    var description: String { key }
  }

  static let rows: [Row] = pairs.map { Row(key: $0, matching: $1, others: $2) }

  private static let pairs: [(String, [String], [String])] = [
    ("q_proj", ["q_proj", "l.0.q_proj"], ["l.0.xq_proj", "q_proj.x", "l.q_proj.", "Q_proj", ""]),
    (
      "self_attn.q_proj", ["self_attn.q_proj", "l.0.self_attn.q_proj", "l.0.self_attnXq_proj"],
      ["q_proj", "self_attn.k_proj"]
    ),
    ("", ["", "l.0."], ["l.0"]),
    ("a.b", ["a.b", "axb", "x.a.b"], ["ab", "a..b", "a\nb"]),
    (".", ["x", "l.x"], ["", "ab", "\n"]),
    (".*", ["", "anything.at.all"], ["a\nb"]),
    ("a\\.b", ["a.b", "l.a.b"], ["axb"]),
    ("q|v", ["q", "v", "l.v"], ["qv", "l.qv"]),
    ("q_proj|v_proj", ["l.q_proj", "l.v_proj"], ["l.k_proj"]),
    ("(q|v)_proj", ["l.q_proj", "v_proj"], ["q"]),
    ("(?:q|)_proj", ["l.q_proj", "l._proj"], ["l.v_proj"]),
    ("a|", ["a", "", "l."], ["b"]),
    ("^l|v", ["l", "v", "x.v"], ["x.l"]),
    ("[qv]_proj", ["q_proj", "v_proj", "l.v_proj"], ["k_proj"]),
    ("[^qv]_proj", ["k_proj", "._proj", "l.._proj"], ["q_proj", "_proj"]),
    ("l[0-3]", ["l0", "l3"], ["l4", "l-"]),
    ("l[a-cx-z]", ["la", "lc", "ly"], ["ld", "l-"]),
    ("[]x]", ["]", "x"], ["a"]),
    ("[^]x]", ["a"], ["]", "x"]),
    ("[a-]", ["a", "-"], ["b"]),
    ("[-a]", ["a", "-"], ["b"]),
    ("[.]", ["."], ["x"]),
    ("[*+?(){}|^$]", ["*", "$", "^"], ["a"]),
    ("[a^]", ["a", "^"], ["b"]),
    ("[\\d.]+", ["10.2"], ["x", "1x"]),
    ("[\\]\\\\]", ["]", "\\"], ["a"]),
    ("[\\w-]+", ["a-b_9"], ["a b"]),
    ("[\\n]", ["\n"], ["n"]),
    ("a?b", ["b", "ab"], ["aab"]),
    ("a*b", ["b", "aaab"], ["aaac"]),
    ("a+b", ["aaab"], ["b"]),
    ("a{2}", ["aa"], ["a", "aaa"]),
    ("a{2,}", ["aa", "aaaa"], ["a"]),
    ("a{,2}", ["", "a", "aa"], ["aaa"]),
    ("a{1,3}", ["a", "aaa"], ["", "aaaa"]),
    ("a{0}b", ["b"], ["ab"]),
    ("a{,}", ["", "aaa"], ["a{,}"]),
    ("(ab){2}", ["abab"], ["ab", "ababab"]),
    ("a{,3}b{2}", ["bb", "aaabb"], ["aaaabb"]),
    ("a{x}", ["a{x}"], ["a"]),
    ("a{", ["a{"], ["a"]),
    ("a{1", ["a{1"], ["a"]),
    ("a{1,b}", ["a{1,b}"], ["a"]),
    ("a{}", ["a{}"], ["a"]),
    ("a{ 1}", ["a{ 1}"], ["a"]),
    ("a}", ["a}"], ["a"]),
    ("a+?b", ["aab"], ["b"]),
    ("a*?", ["", "aaa"], []),
    ("a??b", ["b", "ab"], []),
    ("a{2,3}?", ["aa", "aaa"], ["a"]),
    ("(a*)*b", ["b", "aaab"], ["aaac"]),
    ("(a|b)*c", ["abbac", "c"], ["abd"]),
    ("()*a", ["a"], [""]),
    ("(){3}a", ["a"], [""]),
    ("(a?){3}", ["", "aaa"], ["aaaa"]),
    ("^q_proj", ["q_proj"], ["l.q_proj", "xq_proj"]),
    ("^model.layers.0.q", ["model.layers.0.q"], ["base.model.layers.0.q", "model.layers.00.q"]),
    ("q_proj$", ["q_proj", "l.q_proj"], ["q_projx"]),
    ("^q$", ["q"], ["l.q"]),
    ("(^q|v)", ["q", "v", "l.v"], ["l.q"]),
    ("q(_a$|_b)", ["q_a", "q_b", "l.q_a"], []),
    ("a^b", [], ["ab", "a^b"]),
    ("a$b", [], ["ab", "a$b"]),
    ("(^)q", ["q"], ["l.q"]),
    ("(^)*q", ["q", "l.q"], []),
    (
      "layers\\.\\d+\\.mlp", ["layers.0.mlp", "layers.12.mlp", "m.layers.3.mlp"],
      ["layers.x.mlp", "layers..mlp"]
    ),
    ("\\w+", ["abc_9", "a.b"], ["a-b", "-"]),
    ("\\W", ["-"], ["a", "_"]),
    ("\\D+", ["ab"], ["a1"]),
    ("a\\sb", ["a b", "a\tb", "a\u{b}b"], ["axb"]),
    ("a\\Sb", ["axb"], ["a b"]),
    ("\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\^\\$\\\\\\.", ["*+?()[]{}|^$\\."], ["x"]),
    ("\\-\\_\\/", ["-_/"], ["x"]),
    ("a\\nb", ["a\nb"], ["anb"]),
    ("a\\tb", ["a\tb"], []),
    ("\u{e9}", ["\u{e9}"], ["e\u{301}"]),
    ("e.", ["e\u{301}", "ex"], ["\u{e9}"]),
    ("[\u{e0}-\u{ff}]x", ["\u{e9}x"], ["ex"]),
    ("\u{1f600}+", ["\u{1f600}\u{1f600}"], ["x"]),
    ("\\d", ["\u{663}", "7"], ["\u{b2}", "x"]),
    ("\\w+", ["\u{e9}\u{4e2d}\u{b2}", "\u{2160}"], ["e\u{301}", "a-b"]),
    ("\\W", ["\u{301}", "-"], ["\u{e9}"]),
    ("a\\sb", ["a\u{a0}b", "a\u{1c}b"], ["a\u{200b}b"]),
    ("[\\D]", ["a"], ["1"]),
    ("[^\\W_]+", ["ab"], ["a_b", "-"]),
    ("[\\W\\d]+", ["-1"], ["a"]),
    ("[+-\\-]", ["+", ",", "-"], ["."]),
    ("[\\*-\\+]", ["*", "+"], [","]),
    ("a{0001}", ["a"], ["aa"]),
    ("[a{2}]", ["a", "{", "2"], ["aa"]),
    ("{a", ["{a"], ["a"]),
    ("x|{y}", ["x", "{y}"], ["y"]),
    (
      "model.layers.[0-9]+.self_attn.(q|k|v)_proj",
      ["model.layers.31.self_attn.k_proj", "base.model.layers.3.self_attn.v_proj"],
      ["model.layers.31.self_attn.o_proj", "model.layers.x.self_attn.q_proj"]
    ),
    ("down_proj", ["model.layers.0.mlp.down_proj"], ["model.layers.0.mlp.up_proj"]),
  ]
}
