internal import NIOCore

/// Asks servers one after the other, each on a connection of its own, until one gives an answer that is of use.
///
/// For what decides where to connect: seldom, and never on a request's way. Loop-confined.
struct RedisInquiry {
    /// Of each server: to connect, authenticate and answer.
    private static let patience = TimeAmount.milliseconds(500)
    /// A caller asks again later rather than going through all of a large cluster.
    private static let mostAsked = 4

    let dialer: RedisDialer

    /// - Parameter done: called once, on the loop; `nil`: none of the first four gave an answer.
    func ask<Answer>(
        _ places: some Sequence<RedisPlace>,
        _ command: [RedisArgument],
        read: @escaping (RedisReply, RedisPlace) -> Answer?,
        _ done: @escaping (Answer?) -> Void
    ) {
        proceed(Array(places.prefix(Self.mostAsked))[...], command, read, done)
    }

    private func proceed<Answer>(
        _ places: ArraySlice<RedisPlace>,
        _ command: [RedisArgument],
        _ read: @escaping (RedisReply, RedisPlace) -> Answer?,
        _ done: @escaping (Answer?) -> Void
    ) {
        guard let place = places.first else { return done(nil) }
        askOne(place, command) { reply in
            if let answer = reply.flatMap({ read($0, place) }) { return done(answer) }
            self.proceed(places.dropFirst(), command, read, done)
        }
    }

    private func askOne(
        _ place: RedisPlace,
        _ command: [RedisArgument],
        _ done: @escaping (RedisReply?) -> Void
    ) {
        let question = Question(done)
        let session = RedisSession(eventLoop: dialer.eventLoop, instruments: RedisInstruments()) { _ in
            question.end(nil)
        }
        question.session = session
        question.timer = dialer.eventLoop.assumeIsolated().scheduleTask(in: Self.patience) { question.end(nil) }
        dialer.dial(place, session).whenComplete { result in
            switch result {
            case .failure: question.end(nil)
            case .success(let channel):
                guard !question.hasEnded else { return channel.close(promise: nil) }
                // A sentinel without a password says so, and answers all the same.
                session.authenticate(dialer.endpoint.url, timeout: Self.patience) { _ in }
                session.send(command, timeout: Self.patience) { question.end(try? $0.get()) }
            }
        }
    }

    /// What ends once: by an answer, by a failure or by the clock.
    private final class Question {
        var session: RedisSession?
        var timer: Scheduled<Void>?
        private(set) var hasEnded = false
        private let done: (RedisReply?) -> Void

        init(_ done: @escaping (RedisReply?) -> Void) { self.done = done }

        func end(_ reply: RedisReply?) {
            guard !hasEnded else { return }
            hasEnded = true
            timer?.cancel()
            let session = session
            self.session = nil
            session?.end(.notConnected)
            done(reply)
        }
    }
}
