package import NIOCore

/// What of a request's body becomes tokens, and how many it asks for.
package struct PromptSize: Sendable, Equatable {
    /// Bytes of text, tool declarations included.
    package var textBytes = 0
    package var images = 0
    /// Bytes of audio, video and documents that stand in the body, decoded.
    package var mediaBytes = 0
    /// Files and cached contents that are only named.
    package var files = 0
    /// The most that one answer may have; `nil`: the model's own limit.
    package var maximumOutput: Int?
    /// Answers that are asked for.
    package var candidates = 1

    package init() {}

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
