internal import Dialects
package import HTTPWire
package import NIOCore
package import ResponseCache

/// Where an answer's bytes come from, as far as backpressure goes.
package protocol AnswerSource: AnyObject {
    func pauseAnswer()
    func resumeAnswer()
}

/// Writes the one answer of a call to its client: the gateway's own, an upstream's as it comes, or a kept one.
///
/// Loop-confined. Once the client is gone every call is a no-op.
package final class Responder: AnswerRecipient {
    package enum State: Equatable {
        case waiting
        /// A heartbeat began the answer: 200 and an event stream, before its outcome is known.
        case beating
        /// So it did, and then came what is no stream of events.
        case failing(LateError)
        case streaming
        case done
    }

    package var notes = ResponseNotes()
    package private(set) var state = State.waiting
    /// The status that the client saw; 499 where it left before there was one, as nginx counts it.
    package private(set) var status = 0
    /// Told what flows too fast for the client. Let go at the end, as it holds its recipient too.
    package var source: (any AnswerSource)?
    /// Told once, when the answer is complete, cut, or not wanted any more; let go then.
    package var exchange: Exchange?
    package private(set) var timings = CallTimings()
    /// What the gateway itself took until it began to answer; `nil`: it did not.
    package private(set) var gatewayTime: TimeAmount?

    private let reply: any ReplyWriter
    private let arrival: NIODeadline
    private let clock: any EventLoop
    private var isPaused = false

    /// - Parameter clock: its connection's loop.
    package init(reply: any ReplyWriter, arrival: NIODeadline, clock: any EventLoop) {
        self.reply = reply
        self.arrival = arrival
        self.clock = clock
    }

    // MARK: An upstream's answer

    package func waiting(position: Int, expected: TimeAmount) {
        guard state == .waiting || state == .beating,
            let beat = notes.form.heartbeat(position: position, wait: Duration(expected))
        else { return }
        if state == .waiting {
            state = .beating
            status = 200
            var builder = ReplyFieldsBuilder()
            builder.fields.add("content-type", "text/event-stream")
            builder.fields.add("cache-control", "no-cache")
            builder.addEarlyNotes(notes)
            reply.start(status: 200, fields: builder.take(), body: .stream)
        }
        reply.write(beat)
    }

    package func answerHead(_ head: AnswerHead) {
        timings = head.timings
        switch state {
        case .waiting:
            state = .streaming
            status = head.status
            var builder = ReplyFieldsBuilder(capacity: Self.room(for: head))
            builder.addUpstream(head.fields, limitsAreOurs: !notes.limits.isEmpty)
            builder.addNotes(notes, timings: head.timings, gatewayTime: takeGatewayTime())
            reply.start(status: head.status, fields: builder.take(), body: head.length.map { .fixed($0) } ?? .stream)
        case .beating where head.fields.continuesEvents(status: head.status):
            state = .streaming
        case .beating:
            state = .failing(LateError(status: head.status, fields: head.fields))
        case .failing, .streaming, .done: break
        }
    }

    package func answerBytes(_ bytes: ByteBuffer) {
        switch state {
        case .streaming: break
        case .failing(var error):
            error.take(bytes)
            state = .failing(error)
            return
        case .waiting, .beating, .done: return
        }
        reply.write(bytes)
        if !reply.isWritable, !isPaused {
            isPaused = true
            source?.pauseAnswer()
        }
    }

    package func answerEnded(_ timings: CallTimings) {
        switch state {
        case .streaming: break
        case .failing(let error): return end(with: error)
        case .waiting, .beating, .done: return
        }
        self.timings = timings
        reply.end()
        finish()
    }

    package func answerBroke() {
        guard state != .done else { return }
        if case .failing(var error) = state {
            error.breakOff()
            return end(with: error)
        }
        reply.cut()
        finish()
    }

    package func answerRefused(_ refusal: Refusal, _ timings: CallTimings) {
        self.timings = timings
        refuse(refusal)
    }

    // MARK: The gateway's own answers

    /// Answers in the gateway's own words, in the caller's dialect.
    package func refuse(_ refusal: Refusal) {
        let answer = refusal.answer
        switch state {
        case .waiting:
            state = .streaming
            status = answer.error.status
            var builder = ReplyFieldsBuilder()
            builder.fields.add("content-type", notes.form.contentType)
            if let wait = answer.retryAfter { builder.addRetryAfter(wait) }
            for (name, value) in answer.fields { builder.fields.add(name, value) }
            builder.addNotes(notes, timings: timings, gatewayTime: takeGatewayTime())
            reply.respond(
                status: answer.error.status,
                fields: builder.take(),
                body: answer.error.rendered(in: notes.form)
            )
            finish()
        case .beating:
            end(with: answer.error.renderedInStream(of: notes.form))
        case .failing, .streaming:
            answerBroke()
        case .done: break
        }
    }

    /// A whole answer that is at hand: a kept one, or one of the gateway's own pages.
    /// - Parameter fields: in wire form, as kept or made; the gateway's own are added.
    package func answer(status: Int, fields: consuming ReplyFields, body: ByteBuffer) {
        switch state {
        case .waiting:
            state = .streaming
            self.status = status
            var builder = ReplyFieldsBuilder(adding: fields)
            builder.addNotes(notes, timings: timings, gatewayTime: takeGatewayTime())
            reply.respond(status: status, fields: builder.take(), body: body)
            finish()
        case .beating:
            let block = try? FieldBlock(parsing: fields.buffer)
            if block?.continuesEvents(status: status) ?? false {
                reply.write(body)
                reply.end()
                finish()
            } else {
                var error = LateError(status: status, fields: block)
                error.take(body)
                end(with: error)
            }
        case .failing, .streaming, .done: break
        }
    }

    /// Where the time went of a call that gets no answer of its own upstream call.
    package func took(_ timings: CallTimings) { self.timings = timings }

    /// A kept answer.
    /// - Parameter age: since it was stored; `nil`: it was made for another caller of this very moment.
    package func answer(_ stored: StoredAnswer, age: TimeAmount?) {
        var fields = ReplyFields(capacity: stored.fields.readableBytes + 384)
        fields.buffer.writeImmutableBuffer(stored.fields)
        if let age { fields.add("age", age.wholeSecondsDown) }
        answer(status: stored.status, fields: fields, body: stored.body)
    }

    // MARK: The client

    package func clientGone(_ reason: ClientGone) {
        guard state != .done else { return }
        if status == 0 { status = 499 }
        finish()
    }

    package func replyWritable() {
        guard isPaused else { return }
        isPaused = false
        source?.resumeAnswer()
    }

    private func end(with error: LateError) {
        guard error.isNone else { return end(with: error.frame(in: notes.form)) }
        reply.end()
        finish()
    }

    /// A stream that has begun tells its error in the dialect's own frame; a dialect without one is cut.
    private func end(with frame: ByteBuffer?) {
        if let frame {
            reply.write(frame)
            reply.end()
        } else {
            reply.cut()
        }
        finish()
    }

    private func finish() {
        guard state != .done else { return }
        state = .done
        source = nil
        let ended = exchange
        exchange = nil
        ended?.finished()
    }

    /// The fields, what is added to them, and a small body, which is copied behind its head.
    private static func room(for head: AnswerHead) -> Int {
        let length = head.length ?? 0
        return head.fields.buffer.readableBytes + ReplyFieldsBuilder.usualRoom + (length <= 2048 ? length : 0)
    }

    /// What the gateway itself took: all, less waiting for slots and upstreams.
    private func takeGatewayTime() -> TimeAmount {
        let time = max(.zero, (clock.now - arrival) - timings.queue - timings.upstream)
        gatewayTime = time
        return time
    }
}
