import Dialects
import NIOCore
import Testing

@Suite("What a prompt weighs") struct PromptSizeTests {
    private func size(_ body: String, chunk: Int = .max, length: Int? = nil) -> PromptSize {
        var scanner = PromptScanner()
        var rest = ByteBuffer(string: body)
        while let piece = rest.readSlice(length: min(chunk, rest.readableBytes)), piece.readableBytes > 0 {
            scanner.feed(piece)
        }
        return scanner.size(ofBody: length ?? body.utf8.count)
    }

    private func expected(
        text: Int = 0,
        images: Int = 0,
        media: Int = 0,
        files: Int = 0,
        maximum: Int? = nil,
        candidates: Int = 1
    ) -> PromptSize {
        var size = PromptSize()
        size.textBytes = text
        size.images = images
        size.mediaBytes = media
        size.files = files
        size.maximumOutput = maximum
        size.candidates = candidates
        return size
    }

    @Test("Gemini's text counts, wherever chunks end; roles, settings and key names do not", arguments: [1, 3, .max])
    func native(chunk: Int) {
        let body = #"""
            {"contents":[{"role":"user","parts":[{"text":"12345"},{"text":"67\n8"}]},{"role":"model","parts":[{"text":"9"}]}],
             "systemInstruction":{"parts":[{"text":"abc"}]},"safetySettings":[{"category":"HARM","threshold":"NONE"}],
             "generationConfig":{"maxOutputTokens":77,"candidateCount":2,"temperature":0.5,"stopSequences":["xxx"]}}
            """#
        #expect(size(body, chunk: chunk) == expected(text: 13, maximum: 77, candidates: 2))
    }

    @Test("Declarations and arguments of functions count whole, schemas of answers too")
    func functions() {
        #expect(size(#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#) == expected(text: 25))
        #expect(size(#"{"contents":[{"parts":[{"functionCall":{"args":{"ab":"cd"}}}]}]}"#) == expected(text: 8))
        #expect(size(#"{"generationConfig":{"responseSchema":{"type":"OBJECT"}}}"#) == expected(text: 10))
        #expect(
            size(#"{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f"}}]}]}"#)
                == expected(text: 16)
        )
    }

    @Test(
        "Pictures count as pictures, other media by their bytes, text files as text",
        arguments: [
            (#"{"inlineData":{"mimeType":"image/png","data":"AAAAAAAA"}}"#, 0, 1, 0),
            (#"{"inline_data":{"data":"AAAAAAAA","mime_type":"image\/jpeg"}}"#, 0, 1, 0),
            (#"{"inlineData":{"data":"\/9j\/AAAA"}}"#, 0, 1, 0),
            (#"{"inlineData":{"mimeType":"audio/mp3","data":"AAAAAAAA"}}"#, 0, 0, 6),
            (#"{"inlineData":{"mimeType":"text/plain","data":"AAAAAAAA"}}"#, 6, 0, 0),
            (#"{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"text":"four"}"#, 4, 1, 0),
        ]
    )
    func inline(parts: String, text: Int, images: Int, media: Int) {
        let body = #"{"contents":[{"parts":["# + parts + "]}]}"
        #expect(size(body) == expected(text: text, images: images, media: media))
    }

    @Test("Files that are only named, and cached contents, are counted")
    func files() {
        let parts =
            #"[{"fileData":{"mimeType":"video/mp4","fileUri":"https://host/files/1"}},"#
            + #"{"file_data":{"mime_type":"image/png","file_uri":"https://host/files/2"}}]"#
        let body = #"{"cachedContent":"cachedContents/1","contents":[{"parts":"# + parts + "}]}"
        #expect(size(body) == expected(images: 1, files: 2))
    }

    @Test("OpenAI's form: messages, the larger of both limits, pictures and sound")
    func openAI() {
        #expect(
            size(
                #"{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":5,"max_completion_tokens":9,"n":3}"#
            )
                == expected(text: 5, maximum: 9, candidates: 3)
        )
        let parts = [
            #"{"type":"text","text":"abc"}"#, #"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#,
            #"{"type":"image_url","image_url":{"url":"https://host/p.png","detail":"low"}}"#,
            #"{"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"wav"}}"#,
            #"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}"#,
            #"{"type":"file","file":{"file_id":"f1"}}"#,
        ]
        let body = #"{"messages":[{"role":"user","content":["# + parts.joined(separator: ",") + "]}]}"
        #expect(size(body) == expected(text: 3, images: 2, media: 6 + 24, files: 1))
        #expect(size(#"{"input":["ab","c"],"model":"e"}"#) == expected(text: 3))
        #expect(size(#"{"input":"abc","model":"e"}"#) == expected(text: 3))
        // Tokens instead of text.
        #expect(size(#"{"input":[[5,6],[7]],"model":"e"}"#) == expected(text: 12))
    }

    @Test("A batch of embeddings counts what its items hold")
    func batch() {
        let item = #"{"model":"models/e","taskType":"RETRIEVAL_QUERY","content":{"parts":[{"text":"12345"}]}}"#
        #expect(size(#"{"requests":["# + item + "," + item + "]}") == expected(text: 10))
    }

    @Test("Escapes count about as what they stand for")
    func escapes() {
        #expect(size(#"{"contents":[{"parts":[{"text":"\"\\\n"}]}]}"#) == expected(text: 3))
        #expect(size(#"{"contents":[{"parts":[{"text":"\u4e2d\u6587"}]}]}"#) == expected(text: 4))
    }

    @Test("What is not kept of a large body is taken for more of the same")
    func unseen() {
        let text = #"{"contents":[{"parts":[{"text":"12345"#
        #expect(size(text, length: text.utf8.count + 1_000) == expected(text: 1_005))
        let picture = #"{"contents":[{"parts":[{"text":"123"},{"inlineData":{"mimeType":"image/png","data":"AAAA"#
        #expect(size(picture, length: picture.utf8.count + 1_000) == expected(text: 3, images: 1))
        let sound = #"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"AAAA"#
        #expect(size(sound, length: sound.utf8.count + 996) == expected(media: 750))
        let late = #"{"contents":[{"parts":[{"inlineData":{"data":"iVBORw0KGgoAAAA"#
        #expect(size(late, length: late.utf8.count + 9_000) == expected(images: 1))
        #expect(size("", length: 400) == expected(text: 400))
    }

    @Test("What cannot be read is taken for text", arguments: ["[1,2]]", "text", "}{", #"{"contents":"a"}} more"#])
    func noJSON(body: String) {
        let size = size(body)
        #expect(size.textBytes <= body.utf8.count)
        #expect(size.images == 0)
    }

    @Test("Nesting deeper than is followed is taken for text")
    func deep() {
        let body = #"{"contents":"# + String(repeating: "[", count: 5_000)
        #expect((4_500...5_012).contains(size(body).textBytes))
    }

    @Test("Whatever the bytes, chunks make no difference, and nothing but the body's length bounds the text")
    func anything() {
        var generator = Dice(state: 7)
        let words = [
            "{", "}", "[", "]", ":", ",", "\"", "\\\"", "\"contents\":", "\"parts\":", "\"text\":", "\"inlineData\":{",
            "\"data\":\"AAAA", "\"mimeType\":\"image/png\"", "\"tools\":", "\"image_url\":{\"url\":\"data:", "\\u12",
            "x",
            "7", "\"generationConfig\":{\"maxOutputTokens\":9", "\n", "é",
        ]
        for _ in 0..<2_000 {
            let body = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
                words.randomElement(using: &generator) ?? ""
            }.joined()
            let whole = size(body)
            #expect(whole == size(body, chunk: 1), "\(body)")
            #expect(whole == size(body, chunk: 5), "\(body)")
            // An escape that is cut short counts less than nothing.
            #expect((-2 * body.utf8.count...4 * body.utf8.count).contains(whole.textBytes), "\(body)")
        }
    }

    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }
}
