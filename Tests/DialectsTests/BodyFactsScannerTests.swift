import Dialects
import NIOCore
import Testing

private let all: BodyFacts.Wanted = [.model, .stream, .requests, .input]

@Suite struct BodyFactsScannerTests {
    private func scan(_ body: String, wanted: BodyFacts.Wanted = all, chunk: Int = .max) -> BodyFactsScanner {
        var scanner = BodyFactsScanner(wanted: wanted)
        var rest = ByteBuffer(string: body)
        while let piece = rest.readSlice(length: min(chunk, rest.readableBytes)), piece.readableBytes > 0 {
            scanner.feed(piece)
        }
        return scanner
    }

    @Test(
        "Top-level members are found, wherever chunks end",
        arguments: [
            (#"{"model":"m","stream":true}"#, BodyFacts(model: "m", stream: true)),
            (#" { "messages" : [{"model":"inner","stream":true}] , "model" : "outer" } "#, BodyFacts(model: "outer")),
            (
                #"{"a":{"model":"x"},"\u006dodel":"g\u0065mini-é\n","stream":false}"#,
                BodyFacts(model: "gemini-é\n", stream: false)
            ),
            (#"{"t":"a \" } ] {","model":"m"}"#, BodyFacts(model: "m")),
            (#"{"requests":[{"a":[1,2]},{"b":{"c":[{},{}]}},{}]}"#, BodyFacts(items: 3)),
            (#"{"requests":[]}"#, BodyFacts(items: 0)),
            (#"{"input":"one"}"#, BodyFacts(items: 1)),
            (#"{"input":["a","b,c","d"]}"#, BodyFacts(items: 3)),
            (#"{"input":[1,2,3,4]}"#, BodyFacts(items: 1)),
            (#"{"input":[[1,2],[3]],"model":"e"}"#, BodyFacts(model: "e", items: 2)),
            (#"{"requests":{"a":1,"b":2}}"#, BodyFacts()),
            (#"{"model":7,"stream":"true"}"#, BodyFacts()),
            (#"{"stream":null}"#, BodyFacts(stream: false)),
            ("{}", BodyFacts()),
        ] as [(String, BodyFacts)],
        [1, 2, 7, Int.max]
    )
    func found(_ sample: (String, BodyFacts), chunk: Int) {
        let scanner = scan(sample.0, chunk: chunk)
        #expect(scanner.facts == sample.1, "\(sample.0)")
        #expect(scanner.isComplete)
        #expect(!scanner.isMalformed)
    }

    @Test(
        "What is no JSON object tells nothing",
        arguments: [
            "[1]", "hello, world", #""model""#, #"{"model""x"}"#, #"{"model":"m",}"#, #"{model:"m"}"#, #"{"model":}"#,
            "--boundary\r\n", #"{,"model":"m"}"#, "{\"model\":\"a\nb\"}",
        ]
    )
    func malformed(body: String) {
        let scanner = scan(body)
        #expect(scanner.isMalformed)
        #expect(scanner.facts == BodyFacts())
        #expect(scanner.missing == all)
    }

    @Test("Nothing more is read once everything is found")
    func early() {
        let scanner = scan(#"{"model":"m","messages":["#, wanted: .model)
        #expect(scanner.isComplete)
        #expect(scanner.missing.isEmpty)
    }

    @Test("A cut body tells what has not been seen")
    func cut() {
        let scanner = scan(#"{"stream":true,"messages":[{"content":"aaaa"#, wanted: [.model, .stream])
        #expect(!scanner.isComplete)
        #expect(scanner.missing == .model)
        #expect(scanner.facts.stream == true)
    }

    @Test("A name that nobody would give a model is not kept")
    func overlongModel() {
        let scanner = scan(#"{"model":""# + String(repeating: "m", count: 5_000) + #""}"#, wanted: .model)
        #expect(scanner.isComplete)
        #expect(scanner.missing == .model)
        #expect(scanner.facts.model == nil)
    }
}
