import Dialects
import NIOCore
import Testing

@Suite struct UsageScannerTests {
    private func scan(_ answer: String, chunk: Int = .max) -> UsageScanner {
        var scanner = UsageScanner()
        var rest = ByteBuffer(string: answer)
        while let piece = rest.readSlice(length: min(chunk, rest.readableBytes)), piece.readableBytes > 0 {
            scanner.feed(piece)
        }
        return scanner
    }

    @Test(
        "The last usage is found in every framing, wherever chunks end",
        arguments: [
            (
                #"{"candidates":[{"content":{"parts":[{"text":"hi"}]}}],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]},"modelVersion":"m"}"#,
                TokenUsage(input: 10, output: 12)
            ),
            (
                "data: {\"usageMetadata\":{\"promptTokenCount\":3}}\r\n\r\ndata: {\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":9}}\r\n\r\n",
                TokenUsage(input: 3, output: 9)
            ),
            (
                "[{\"usageMetadata\":{\"promptTokenCount\":3}}\n,\n{\"usageMetadata\":{\"promptTokenCount\":3,\"toolUsePromptTokenCount\":2,\"candidatesTokenCount\":1}}]",
                TokenUsage(input: 5, output: 1)
            ),
            (
                "data: {\"choices\":[],\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":6,\"total_tokens\":10}}\n\ndata: [DONE]\n\n",
                TokenUsage(input: 4, output: 6)
            ),
            (
                #"{"usage":{"completion_tokens":6,"prompt_tokens":4,"total_tokens":30}}"#,
                TokenUsage(input: 4, output: 26)
            ),
            (#"{"object":"list","usage":{"prompt_tokens":8,"total_tokens":8}}"#, TokenUsage(input: 8, output: 0)),
            (#"{"data":[],"usage":{"total_tokens":8}}"#, TokenUsage(input: 8, output: 0)),
            (": a {comment}[\r\n\r\ndata:{\"usage\":{\"prompt_tokens\":1}}\n\n", TokenUsage(input: 1, output: 0)),
            (#"{"a":{"usageMetadata":{"promptTokenCount":99}},"b":"usageMetadata","usage":{"readUnits":5}}"#, nil),
            (#"{"text":"\"usageMetadata\":{\"promptTokenCount\":99}"}"#, nil),
            ("\r\n\r\ndata: {}\n\n", nil),
            ("not json", nil),
            (
                #"{"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807}}"#,
                TokenUsage(input: 1 << 40, output: 1 << 40)
            ),
            (
                #"{"usageMetadata":{"promptTokenCount":9223372036854775807,"toolUsePromptTokenCount":9223372036854775807}}"#,
                TokenUsage(input: 1 << 41, output: 0)
            ),
        ] as [(String, TokenUsage?)],
        [1, 3, 64, Int.max]
    )
    func usage(_ sample: (String, TokenUsage?), chunk: Int) {
        #expect(scan(sample.0, chunk: chunk).usage == sample.1, "\(sample.0)")
    }

    @Test("An event that broke off inside of a string does not hide the next")
    func resynchronises() {
        let scanner = scan("data: {\"text\":\"abc\n\ndata: {\"usage\":{\"prompt_tokens\":1}}\n\n")
        #expect(scanner.usage == TokenUsage(input: 1, output: 0))
    }

    @Test(
        "An error inside of a 200 is seen",
        arguments: [
            (#"{"error":{"code":503}}"#, true), ("data: {\"a\":1}\n\n{\n \"error\": {\"code\":1}}", true),
            ("[{\"a\":1},{\"error\":{}}]", true), (#"{"error":"text"}"#, true),
            (#"{"error":null}"#, false), (#"{"a":{"error":{}}}"#, false), (#"{"a":"error"}"#, false),
        ],
        [1, Int.max]
    )
    func error(_ sample: (String, Bool), chunk: Int) {
        #expect(scan(sample.0, chunk: chunk).containsError == sample.1)
    }
}
