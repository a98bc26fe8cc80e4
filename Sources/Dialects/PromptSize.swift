package import NIOCore

/// What of a request's body becomes tokens, and how many it asks for.
package struct PromptSize: Sendable, Equatable {
    /// Bytes of text, tool declarations included.
    package var textBytes: Int
    package var images: Int
    /// Bytes of audio, video and documents that stand in the body, decoded.
    package var mediaBytes: Int
    /// Files and cached contents that are only named.
    package var files: Int
    /// The most that one answer may have; `nil`: the model's own limit.
    package var maximumOutput: Int?
    /// Answers that are asked for.
    package var candidates: Int

    package init(
        textBytes: Int = 0,
        images: Int = 0,
        mediaBytes: Int = 0,
        files: Int = 0,
        maximumOutput: Int? = nil,
        candidates: Int = 1
    ) {
        self.textBytes = textBytes
        self.images = images
        self.mediaBytes = mediaBytes
        self.files = files
        self.maximumOutput = maximumOutput
        self.candidates = candidates
    }

    /// - Parameters:
    ///   - body: the whole body, or its beginning.
    ///   - length: of the whole body in bytes, or the most that it can be.
    package init(body: ByteBuffer, length: Int) {
        var scanner = PromptScanner()
        scanner.feed(body)
        self = scanner.size(ofBody: length)
    }

    /// Nothing but text: what its tokens tell is told of text.
    package var isText: Bool { images == 0 && mediaBytes == 0 && files == 0 }
}
