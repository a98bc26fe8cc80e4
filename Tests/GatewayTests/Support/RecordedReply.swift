import HTTPWire
import NIOCore
import Synchronization

/// The caller's side of one request: feeds the body when asked for it, and keeps what is answered.
final class RecordedReply: ReplyWriter {
    struct Seen: Sendable, Equatable {
        var status = 0
        /// Lines as they would go out.
        var fields = ""
        var body = ""
        /// How often body was written.
        var writes: [String] = []
        var hasEnded = false
        var wasCut = false

        /// The value of the first field of that name.
        func value(_ name: String) -> String? {
            for line in fields.split(whereSeparator: \.isNewline) {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2, parts[0].lowercased() == name.lowercased() {
                    return parts[1].trimmingPrefix(while: \.isWhitespace).description
                }
            }
            return nil
        }
    }

    /// What other threads look at.
    final class Sight: Sendable {
        private let value = Mutex(Seen())
        var seen: Seen { value.withLock { $0 } }
        func change(_ body: (inout Seen) -> Void) { value.withLock { body(&$0) } }
    }

    let sight: Sight
    /// Settable: a slow client takes nothing.
    var isWritable = true
    weak var receiver: (any RequestReceiver)?
    private var isAskedForBody = false
    private var parts: [ByteBuffer]
    private var bodyHasEnded = false
    private var isFeeding = false

    init(body parts: [ByteBuffer], sight: Sight) {
        self.parts = parts
        self.sight = sight
    }

    func readBody() {
        isAskedForBody = true
        feed()
    }

    func pauseBody() { isAskedForBody = false }

    /// Also once `receiver` is set, for what was asked before.
    func feed() {
        guard !isFeeding else { return }
        isFeeding = true
        defer { isFeeding = false }
        while isAskedForBody, !bodyHasEnded, let receiver {
            if parts.isEmpty {
                bodyHasEnded = true
                receiver.bodyEnded()
            } else {
                receiver.bodyBytes(parts.removeFirst())
            }
        }
    }

    func respond(status: Int, fields: consuming ReplyFields, body: ByteBuffer) {
        let text = String(buffer: fields.buffer)
        sight.change {
            $0.status = status
            $0.fields = text
            $0.body = String(buffer: body)
            $0.hasEnded = true
        }
    }

    func start(status: Int, fields: consuming ReplyFields, body: ReplyBody) {
        let text = String(buffer: fields.buffer)
        sight.change {
            $0.status = status
            $0.fields = text
        }
    }

    func write(_ bytes: ByteBuffer) {
        sight.change {
            $0.body += String(buffer: bytes)
            $0.writes.append(String(buffer: bytes))
        }
    }

    func end() { sight.change { $0.hasEnded = true } }
    func cut() { sight.change { $0.wasCut = true } }
}
