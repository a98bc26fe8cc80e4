internal import Dialects
internal import HTTPWire
internal import NIOCore

/// What an upstream answered behind signs of life that is no stream of events: an error as a rule.
///
/// The 200 is out, so that it can only be told in the stream: its words are collected first.
package struct LateError: Equatable {
    let status: Int
    /// `nil`: it cannot be read.
    private var body: ByteBuffer?

    /// - Parameter fields: `nil`: they cannot be read.
    init(status: Int, fields: FieldBlock?) {
        self.status = status
        body = fields?.hasCoding ?? true ? nil : ByteBuffer()
    }

    mutating func take(_ bytes: ByteBuffer) {
        let room = UpstreamErrorFrame.bodyLimit - (body?.readableBytes ?? 0)
        if bytes.readableBytes > room { body = nil } else { body?.writeImmutableBuffer(bytes) }
    }

    /// Half of its words are none.
    mutating func breakOff() { body = nil }

    /// A success, with nothing to tell.
    var isNone: Bool { (200..<300).contains(status) && body?.readableBytes == 0 }

    /// - Returns: `nil`: there is no form for it, cut the stream.
    func frame(in form: ErrorForm) -> ByteBuffer? { UpstreamErrorFrame.make(status: status, body: body, in: form) }
}
