import Gateway
import NIOCore
import Testing

@Suite("Labels of /metrics") struct PrometheusTextTests {
    @Test(
        "Whatever a caller names, a sample stays one line with one closing quote",
        arguments: [
            ("a\"b", #"a\"b"#), ("a\\b", #"a\\b"#), ("\"\u{301}", "\\\"\u{301}"), ("\\\u{301}", "\\\\\u{301}"),
            ("a\nb", #"a\nb"#), ("\r\n", #"\\r\n"#), ("\r", #"\\r"#), ("é\u{301}", "é\u{301}"),
        ]
    )
    func escaping(value: String, escaped: String) {
        var text = PrometheusText()
        text.sample("m", [("model", value)], 1)
        #expect(Array(text.buffer.readableBytesView) == Array("m{model=\"\(escaped)\"} 1\n".utf8))
    }
}
