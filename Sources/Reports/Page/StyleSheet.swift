/// The pages' look: light and dark, from 400 to 1600 pixels, and in print.
enum StyleSheet {
  /// The style sheet as it stands in a page.
  static let text =
    colours + "@media (prefers-color-scheme: dark){" + darkColours + "}" + layout + charts + ramp
    + print

  private static let colours = """
    :root{color-scheme:light dark;--page:#fff;--surface:#f6f7f9;--text:#1c2430;--muted:#5b6675;
    --line:#e1e5ea;--accent:#2b5fa8;--warning:#fdf3df;--warning-line:#c98a1b;
    --s0:#1f6fb4;--s1:#bf5f00;--s2:#b0307a;--s3:#0b7f64;--s4:#6d4bc4;--s5:#6b7280;--s6:#806500;
    --s7:#1c2430;
    --h0:#fbf5d0;--h1:#e9f2bd;--h2:#cbe7b8;--h3:#a0d8ba;--h4:#73c6be;--h5:#4cb0c2;--h6:#3497bf;
    --h7:#2a76ad;--h8:#26599c;--h9:#223d84;--h10:#1b2560;--low:#10151c;--high:#fff;--flip:0}

    """

  private static let darkColours = """
    :root{--page:#12161c;--surface:#1a2028;--text:#e6eaf0;--muted:#9aa6b5;
    --line:#2c343f;--accent:#7db1f5;--warning:#2b2412;--warning-line:#d9a441;
    --s0:#69b0f0;--s1:#f0a04b;--s2:#f283c0;--s3:#4fd1ac;--s4:#b49cf5;--s5:#9aa3b0;--s6:#e0c04a;
    --s7:#e6eaf0;
    --h10:#fbf5d0;--h9:#e9f2bd;--h8:#cbe7b8;--h7:#a0d8ba;--h6:#73c6be;--h5:#4cb0c2;--h4:#3497bf;
    --h3:#2a76ad;--h2:#26599c;--h1:#223d84;--h0:#1b2560;--low:#fff;--high:#10151c;--flip:1}

    """

  private static let layout = """
    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
    @media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
    body{margin:0;background:var(--page);color:var(--text);
    font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
    header,main,footer{max-width:1120px;margin:0 auto;padding:0 clamp(16px,4vw,40px)}
    header{padding-top:clamp(24px,5vw,56px)}
    h1{font-size:clamp(1.5rem,1.1rem + 1.8vw,2.25rem);line-height:1.2;font-weight:650;
    letter-spacing:-.015em;margin:.2em 0 .25em;overflow-wrap:anywhere}
    h2{font-size:1.3rem;font-weight:620;letter-spacing:-.01em;margin:0 0 .6rem}
    h3{font-size:.9rem;font-weight:600;margin:0 0 .35rem;overflow-wrap:anywhere}
    p{margin:.4rem 0 .9rem;max-width:72ch;overflow-wrap:anywhere}
    .eyebrow{margin:0;color:var(--accent);font-size:.82rem;font-weight:600;letter-spacing:.04em}
    .subject{margin:0 0 .3rem;max-width:none;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,
    "DejaVu Sans Mono",monospace;font-size:.95rem}
    .subtitle{margin:0 0 1.1rem;color:var(--muted);font-size:1.05rem}
    nav{display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;font-size:.9rem;
    padding:.7rem 0;border-block:1px solid var(--line)}
    nav a{color:var(--accent);text-decoration:none}
    nav a:hover{text-decoration:underline}
    :focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
    section{margin:clamp(36px,5vw,60px) 0 0}
    #summary{margin-top:1.6rem}
    .facts{display:flex;flex-wrap:wrap;gap:12px;margin:0}
    .facts div{flex:1 1 150px;background:var(--surface);border-radius:10px;padding:14px 16px;min-width:0}
    dt{color:var(--muted);font-size:.82rem}
    dd{margin:2px 0 0;font-size:1.2rem;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
    dd small{display:block;margin-top:3px;font-size:.8rem;font-weight:400;line-height:1.4;
    color:var(--muted)}
    .n{font-variant-numeric:tabular-nums}
    .warning{background:var(--warning);border-left:3px solid var(--warning-line);max-width:none;
    padding:10px 14px;border-radius:0 8px 8px 0;margin:0 0 12px}
    .notes{margin:1rem 0 0;padding-left:1.1rem;color:var(--muted);font-size:.9rem;
    overflow-wrap:anywhere}
    .best{color:var(--accent);font-weight:650}
    pre{background:var(--surface);border-radius:10px;padding:14px 16px;margin:0;
    white-space:pre-wrap;overflow-wrap:anywhere;font-size:.86rem;line-height:1.6}
    code,pre,.cell-name,tbody th{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,
    "DejaVu Sans Mono",monospace}
    table{border-collapse:collapse;font-size:.86rem;line-height:1.35;min-width:min(100%,420px)}
    caption{text-align:left;color:var(--muted);font-size:.88rem;padding:0 0 8px}
    th,td{padding:6px 14px 6px 0;text-align:left;border-bottom:1px solid var(--line);
    vertical-align:baseline}
    th:last-child,td:last-child{padding-right:0}
    thead th{color:var(--muted);font-weight:600;white-space:nowrap;vertical-align:bottom}
    tbody th{font-weight:400;font-size:.8rem;min-width:13ch;max-width:56ch;overflow-wrap:anywhere}
    th[data-row],td.long{min-width:22ch}
    td.long{overflow-wrap:anywhere}
    th.n,td.n{text-align:right;white-space:nowrap}
    tbody tr:hover{background:var(--surface)}
    .scroll+.scroll{margin-top:36px}
    footer{margin-top:64px;padding-bottom:48px;color:var(--muted);font-size:.85rem}

    """

  private static let charts = """
    figure{margin:.6rem 0 1.4rem}
    figcaption{color:var(--muted);font-size:.88rem;margin-top:.6rem;max-width:80ch}
    .scroll{overflow-x:auto;overscroll-behavior-x:contain}
    .panels{display:grid;gap:22px 28px;
    grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr))}
    .pairs{grid-template-columns:repeat(auto-fit,minmax(max(min(100%,320px),42%),1fr))}
    .side{display:flex;flex-wrap:wrap;gap:8px 36px;align-items:flex-start}
    .side figure{min-width:0;max-width:100%}
    .side figcaption{width:0;min-width:100%}
    .panel{min-width:0;max-width:500px;break-inside:avoid}
    .panel.wide{max-width:560px}
    svg{display:block;overflow:visible;font:11px system-ui,-apple-system,"Segoe UI",Roboto,
    "Helvetica Neue",sans-serif}
    svg.fills{width:100%;height:auto}
    svg text{fill:var(--muted);font-variant-numeric:tabular-nums}
    svg .row{font:11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
    fill:var(--text)}
    svg .in{font-size:11px}
    .grid{stroke:var(--line);stroke-width:1}
    .axis{stroke:var(--muted);stroke-width:1}
    .line{fill:none;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round}
    .dashed{fill:none;stroke:currentColor;stroke-width:1.5;stroke-dasharray:5 4}
    .point{fill:currentColor;stroke:var(--page);stroke-width:1}
    .hollow{fill:none;stroke:currentColor;stroke-width:1.5}
    .fill{fill:currentColor}
    .link{fill:none;stroke:var(--muted);stroke-width:1.4}
    .node{fill:var(--page);stroke:var(--s0);stroke-width:1.6}
    .node.root{fill:var(--s0)}
    svg .noded{fill:var(--text)}svg .rooted{fill:var(--page)}
    ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 12px;padding:0;
    font-size:.88rem}
    ul.legend li,p.legend{display:flex;align-items:center;gap:7px}
    p.legend{font-size:.85rem;color:var(--muted);margin:0 0 12px}
    .key{flex:none}
    .bar{display:block;height:10px;border-radius:2px;background:currentColor;min-width:2px}
    .s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}
    .s4{color:var(--s4)}.s5{color:var(--s5)}.s6{color:var(--s6)}.s7{color:var(--s7)}

    """

  /// The steps of the heat maps' colours, as cells, as the text in them and as lines.
  private static let ramp: String = {
    var rules = "rect.hx{fill:none;stroke:var(--muted);stroke-dasharray:2 2}"
    for step in 0..<HeatMap.steps {
      rules += "rect.h\(step){fill:var(--h\(step))}.l\(step){color:var(--h\(step))}"
    }
    // The text stands out by 4.8 at least from steps 0 to 6 and 7 to 10, from the other end in the dark.
    let low = (0...3).map { "svg .in.h\($0)" }.joined(separator: ",")
    let high = (7...10).map { "svg .in.h\($0)" }.joined(separator: ",")
    let middle = (4...6).map { "svg .in.h\($0)" }.joined(separator: ",")
    return rules + "\(low){fill:var(--low)}\(high){fill:var(--high)}\(middle){fill:#10151c}\n"
  }()

  private static let print = """
    @page{margin:16mm 14mm}
    @media print{
    """ + colours + """
      :root{color-scheme:light}
      *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
      body{font-size:10.5pt}
      header,main,footer{max-width:none;padding:0}
      nav{display:none}
      section{margin-top:26pt}
      h2,h3,caption{break-after:avoid}
      figure,.facts div,pre,tr,.warning{break-inside:avoid}
      thead{display:table-header-group}
      .scroll{overflow:visible}
      .scroll svg{max-width:100%;height:auto}
      .panels,.pairs{grid-template-columns:1fr 1fr}
      svg{overflow:visible}
      table{width:100%;font-size:8pt}
      tbody th{max-width:none;font-size:7.5pt}
      th[data-row],td.long{min-width:0}
      th,td{padding-right:8pt}
      th.n,td.n{white-space:normal}
      }

      """
}
