import Dialects
import NIOCore
import Testing

@Suite("An upstream's error as the last words of a stream")
struct UpstreamErrorFrameTests {
    private func frame(_ status: Int, _ body: String?, _ form: ErrorForm) -> String? {
        UpstreamErrorFrame.make(status: status, body: body.map { ByteBuffer(string: $0) }, in: form)
            .map { String(buffer: $0) }
    }

    private static let pretty = "{\n  \"error\": {\n    \"code\": 400,\n    \"message\": \"a\\nb\"\n  }\n}\n"
    private static let line = "{   \"error\": {     \"code\": 400,     \"message\": \"a\\nb\"   } }"

    @Test("Gemini's object goes on as it is, on one line", arguments: [pretty, "[" + pretty + "]\n"])
    func object(body: String) {
        #expect(frame(400, body, .gemini) == Self.line)
        #expect(frame(400, body, .openAI) == "data: \(Self.line)\n\n")
    }

    @Test(
        "What is no error object is quoted in ours, with the status that came",
        arguments: [
            "upstream connect error", "", #"{"message":"no"}"#, #"{"code":1,"error":{}}"#, #"{"error":"text"}"#,
            #"{"error":{"code":1}"#, #"{"error":{"code":1}}}"#, #"{"error":{}} {"error":{}}"#, #"{"error":[]}"#, "[]",
            "nonsense{\"error\":{}}",
        ]
    )
    func quoted(body: String) throws {
        let native = try #require(frame(503, body, .gemini))
        #expect(native.hasPrefix(#"{"error":{"code":503,"message":"the upstream answered 503"#))
        #expect(native.contains(#""status":"UNAVAILABLE""#))
        let openAI = try #require(frame(503, body, .openAI))
        #expect(openAI.hasPrefix(#"data: {"error":{"message":"the upstream answered 503"#))
        #expect(openAI.hasSuffix("\n\n"))
    }

    @Test("A page of HTML, bytes that are no text, and what cannot be read are not quoted")
    func unquotable() {
        let bare = #"{"error":{"code":502,"message":"the upstream answered 502","status":"UNAVAILABLE"}}"#
        #expect(frame(502, "<html>Bad Gateway</html>", .gemini) == bare)
        #expect(frame(502, "a\u{0}b", .gemini) == bare)
        #expect(frame(502, nil, .gemini) == bare)
        let bytes = ByteBuffer(bytes: [0xFF, 0xFE])
        #expect(UpstreamErrorFrame.make(status: 502, body: bytes, in: .gemini).map { String(buffer: $0) } == bare)
    }

    @Test("An upstream of a dialect of its own has its text on one line of an error event")
    func event() {
        #expect(frame(500, "it\nfailed", .problem) == "event: error\ndata: it failed\n\n")
        #expect(frame(500, nil, .problem)?.hasPrefix("event: error\ndata: {\"type\":\"about:blank\"") == true)
    }

    @Test("Pinecone has no place for an error in a stream")
    func none() {
        #expect(frame(500, Self.pretty, .pinecone) == nil)
    }
}
