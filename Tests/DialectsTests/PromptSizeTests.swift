import Dialects
import NIOCore
import TestSupport
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

    @Test("Gemini's text counts, wherever chunks end; roles, settings and key names do not", arguments: [1, 3, .max])
    func native(chunk: Int) {
        let body = #"""
            {"contents":[{"role":"user","parts":[{"text":"12345"},{"text":"67\n8"}]},{"role":"model","parts":[{"text":"9"}]}],
             "systemInstruction":{"parts":[{"text":"abc"}]},"safetySettings":[{"category":"HARM","threshold":"NONE"}],
             "generationConfig":{"maxOutputTokens":77,"candidateCount":2,"temperature":0.5,"stopSequences":["xxx"]}}
            """#
        #expect(size(body, chunk: chunk) == PromptSize(textBytes: 13, maximumOutput: 77, candidates: 2))
    }

    @Test("Declarations and arguments of functions count whole, schemas of answers too")
    func functions() {
        #expect(size(#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#) == PromptSize(textBytes: 25))
        #expect(size(#"{"contents":[{"parts":[{"functionCall":{"args":{"ab":"cd"}}}]}]}"#) == PromptSize(textBytes: 8))
        #expect(size(#"{"generationConfig":{"responseSchema":{"type":"OBJECT"}}}"#) == PromptSize(textBytes: 10))
        #expect(
            size(#"{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f"}}]}]}"#)
                == PromptSize(textBytes: 16)
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
        #expect(size(body) == PromptSize(textBytes: text, images: images, mediaBytes: media))
    }

    @Test("Files that are only named, and cached contents, are counted")
    func files() {
        let parts =
            #"[{"fileData":{"mimeType":"video/mp4","fileUri":"https://host/files/1"}},"#
            + #"{"file_data":{"mime_type":"image/png","file_uri":"https://host/files/2"}}]"#
        let body = #"{"cachedContent":"cachedContents/1","contents":[{"parts":"# + parts + "}]}"
        #expect(size(body) == PromptSize(images: 1, files: 2))
    }

    @Test("OpenAI's form: messages, the larger of both limits, pictures and sound")
    func openAI() {
        #expect(
            size(
                #"{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":5,"max_completion_tokens":9,"n":3}"#
            )
                == PromptSize(textBytes: 5, maximumOutput: 9, candidates: 3)
        )
        let parts = [
            #"{"type":"text","text":"abc"}"#, #"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#,
            #"{"type":"image_url","image_url":{"url":"https://host/p.png","detail":"low"}}"#,
            #"{"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"wav"}}"#,
            #"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}"#,
            #"{"type":"file","file":{"file_id":"f1"}}"#,
        ]
        let body = #"{"messages":[{"role":"user","content":["# + parts.joined(separator: ",") + "]}]}"
        #expect(size(body) == PromptSize(textBytes: 3, images: 2, mediaBytes: 6 + 24, files: 1))
        #expect(size(#"{"input":["ab","c"],"model":"e"}"#) == PromptSize(textBytes: 3))
        #expect(size(#"{"input":"abc","model":"e"}"#) == PromptSize(textBytes: 3))
        // Tokens instead of text.
        #expect(size(#"{"input":[[5,6],[7]],"model":"e"}"#) == PromptSize(textBytes: 12))
    }

    @Test("A batch of embeddings counts what its items hold")
    func batch() {
        let item = #"{"model":"models/e","taskType":"RETRIEVAL_QUERY","content":{"parts":[{"text":"12345"}]}}"#
        #expect(size(#"{"requests":["# + item + "," + item + "]}") == PromptSize(textBytes: 10))
    }

    @Test("Escapes count about as what they stand for")
    func escapes() {
        #expect(size(#"{"contents":[{"parts":[{"text":"\"\\\n"}]}]}"#) == PromptSize(textBytes: 3))
        #expect(size(#"{"contents":[{"parts":[{"text":"\u4e2d\u6587"}]}]}"#) == PromptSize(textBytes: 4))
    }

    @Test("What is not kept of a large body is taken for more of the same")
    func unseen() {
        let text = #"{"contents":[{"parts":[{"text":"12345"#
        #expect(size(text, length: text.utf8.count + 1_000) == PromptSize(textBytes: 1_005))
        let picture = #"{"contents":[{"parts":[{"text":"123"},{"inlineData":{"mimeType":"image/png","data":"AAAA"#
        #expect(size(picture, length: picture.utf8.count + 1_000) == PromptSize(textBytes: 3, images: 1))
        let sound = #"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"AAAA"#
        #expect(size(sound, length: sound.utf8.count + 996) == PromptSize(mediaBytes: 750))
        let late = #"{"contents":[{"parts":[{"inlineData":{"data":"iVBORw0KGgoAAAA"#
        #expect(size(late, length: late.utf8.count + 9_000) == PromptSize(images: 1))
        #expect(size("", length: 400) == PromptSize(textBytes: 400))
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
        var generator = SeededGenerator(seed: 7)
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
}
