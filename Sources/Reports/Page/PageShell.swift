internal import ByteIO

/// A whole page: head, header, sections, and what the result was.
///
/// The page needs nothing but itself: its policy forbids scripts and every request.
struct PageShell: Sendable {
  /// What was done: "merge".
  let command: String
  /// The heading.
  let title: String
  /// What it was done to, usually a path.
  let subject: String
  /// The line below it.
  let subtitle: String
  /// What the reader should not overlook.
  let warnings: [String]
  /// What was concluded on the way.
  let notes: [String]
  let facts: Facts
  /// The sections in order.
  let sections: [PageSection?]
  let source: ReportSource

  private static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    + "form-action 'none'"

  /// The HTML.
  var html: String {
    let sections = sections.compactMap { $0 } + [reproduction].compactMap { $0 }
    let page = Markup("html", ["lang": "en"]) {
      Markup("head") {
        Markup("meta", ["charset": "utf-8"])
        Markup("meta", ["http-equiv": "Content-Security-Policy", "content": PageShell.policy])
        Markup("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        Markup("meta", ["name": "color-scheme", "content": "light dark"])
        Markup("meta", ["name": "referrer", "content": "no-referrer"])
        Markup("meta", ["name": "generator", "content": source.program])
        Markup("link", ["rel": "icon", "href": "data:,"])
        Markup("title") { "\(title): \(subject)" }
        Markup("style") { Markup(trusted: StyleSheet.text) }
      }
      Markup("body") {
        header(sections)
        Markup("main") {
          summary
          for section in sections { section.markup }
        }
        footer
        data
      }
    }
    return "<!DOCTYPE html>\n" + page.html + "\n"
  }

  private func header(_ sections: [PageSection]) -> Markup {
    Markup("header") {
      Markup("p", ["class": "eyebrow"]) { "resloratool \(command)" }
      Markup("h1") { title }
      Markup("p", ["class": "subject"]) { Markup(breakable: subject) }
      Markup("p", ["class": "subtitle"]) { subtitle }
      Markup("nav", ["aria-label": "On this page"]) {
        for section in sections {
          Markup("a", ["href": "#\(section.anchor)"]) { section.title }
        }
      }
    }
  }

  private var summary: Markup {
    Markup("section", ["id": "summary", "aria-label": "Summary"]) {
      for warning in warnings {
        Markup("p", ["class": "warning", "role": "note"]) {
          Markup("strong") { "Warning" }
          " \(warning)"
        }
      }
      facts.markup
      if !notes.isEmpty {
        Markup("ul", ["class": "notes"]) {
          for note in notes { Markup("li") { note } }
        }
      }
    }
  }

  private var reproduction: PageSection? {
    guard let command = source.command else { return nil }
    return PageSection("reproduce", "Reproduce it") {
      Markup("p") { "This command gave the result, and gives it again with the same files:" }
      Markup("pre") { Markup("code") { command } }
    }
  }

  private var footer: Markup {
    Markup("footer") {
      Markup("p") {
        "Made by \(source.program). The page is complete in itself: it loads nothing and runs nothing."
        if source.json != nil {
          " Its source carries the result as JSON, in the element "
          Markup("code") { "#report" }
          "."
        }
      }
    }
  }

  private var data: Markup? {
    source.json.map { json in
      Markup("script", ["type": "application/json", "id": "report"]) {
        Markup(trusted: json.escapedForScript)
      }
    }
  }
}
