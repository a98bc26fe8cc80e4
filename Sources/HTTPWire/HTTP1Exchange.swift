internal import NIOCore

/// The `ReplyWriter` of one request over HTTP/1.
///
/// Once the reply has ended it forgets its connection, so a call that comes late cannot touch the next request's reply.
/// The connection uses it again where nobody kept it: keep it by a strong reference or not at all.
final class HTTP1Exchange: ReplyWriter {
    var handler: HTTP1ServerHandler?

    var isWritable: Bool { handler?.isWritable ?? false }

    func readBody() { handler?.readBody() }

    func pauseBody() { handler?.pauseBody() }

    func respond(status: Int, fields: consuming ReplyFields, body: ByteBuffer) {
        handler?.respond(status: status, fields: consume fields, body: body)
    }

    func start(status: Int, fields: consuming ReplyFields, body: ReplyBody) {
        handler?.start(status: status, fields: consume fields, body: body)
    }

    func write(_ bytes: ByteBuffer) { handler?.write(bytes) }

    func end() { handler?.end() }

    func cut() { handler?.cut() }
}
