package import NIOCore

/// Why a request ended before its reply did.
package enum ClientGone: Equatable, Sendable {
    /// The connection was closed, or the client shut its sending side: as with nginx, that counts as leaving.
    case closed
    /// What came as the body is not one; the client has been answered or cut.
    case malformedBody(WireError)
    /// No byte of the body came, or of the reply was taken, for the client time-out.
    case timedOut
}

/// Gets one request's body and fate. All calls on the connection's loop.
package protocol RequestReceiver: AnyObject {
    /// Only while reading is asked for; may be called before `readBody()` returns. The bytes are never empty.
    func bodyBytes(_ bytes: ByteBuffer)
    /// Once, while reading is asked for; for a request without a body too. May be called before `readBody()` returns.
    func bodyEnded()
    /// The client cannot be answered any more; nothing follows, and calls of the `ReplyWriter` do nothing.
    func clientGone(_ reason: ClientGone)
    /// `isWritable` of the `ReplyWriter` has become true.
    func replyWritable()
}

/// The way back of one request. All calls on the connection's loop; after the reply's end they do nothing.
package protocol ReplyWriter: AnyObject {
    /// Whether what is written now leaves soon. What is written anyway is kept.
    var isWritable: Bool { get }
    /// Asks for the body until `pauseBody()`. The first call sends "100 Continue" where the client waits for it.
    func readBody()
    func pauseBody()
    /// Sends a whole answer. For HEAD, 204 and 304 the body is left out; its length counts for HEAD.
    func respond(status: Int, fields: consuming ReplyFields, body: ByteBuffer)
    /// Sends a head; `write` and `end` follow.
    /// - Parameter status: 200 or above.
    func start(status: Int, fields: consuming ReplyFields, body: ReplyBody)
    /// Sends a part of the body. Bytes beyond a fixed length are dropped.
    func write(_ bytes: ByteBuffer)
    /// Completes the answer; one that is short of its fixed length is cut.
    func end()
    /// Closes so that the client sees an answer that broke off.
    func cut()
}

/// Serves the requests of many connections. One event loop owns it.
package protocol ServerDelegate: AnyObject {
    /// A request's head has come.
    /// - Parameter reply: may be used before this returns; kept by whoever answers later.
    /// - Returns: who gets the rest; not used where the reply is already complete.
    func request(_ head: RequestHead, reply: any ReplyWriter, channel: any Channel) -> any RequestReceiver
    /// The answer to bytes that are no request, or came too slowly; the connection is closed after it.
    /// - Parameter partialTarget: as much of the target as came, to choose the answer's form by.
    func malformed(
        _ error: WireError,
        partialTarget: ByteBufferView?
    ) -> (status: Int, fields: ReplyFields, body: ByteBuffer)
}
