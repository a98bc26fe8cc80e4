internal import Foundation
internal import Synchronization

/// A `/bin/sh` with pipes to its stdin and from its stdout.
///
/// Foundation's `Process` lets children that start at the same time inherit one another's pipes, and then no end of
/// file is ever seen; here every descriptor closes on exec, and one starts at a time.
final class Shell: Sendable {
    /// Closing it is what the script waits for.
    private let lifeline: FileHandle
    private let processIdentifier: pid_t
    private let waited = Mutex<Int32?>(nil)

    /// Held from making a pipe until it closes on exec and the child has its ends.
    private static let starting = Mutex<Void>(())

    /// What the script wrote to stdout until it closed it.
    let output: String

    /// - Throws: `POSIXError`.
    init(script: String, arguments: [String]) throws {
        let ((inputReader, inputWriter), (outputReader, outputWriter), child) = try Self.starting.withLock { _ in
            let input = try Self.pipe()
            let output = try Self.pipe()
            let command = ["/bin/sh", "-c", script, "sh"] + arguments
            return (input, output, try Self.spawn(command, input: input.reader, output: output.writer))
        }
        lifeline = inputWriter
        processIdentifier = child
        try inputReader.close()
        try outputWriter.close()
        output = String(decoding: try outputReader.readToEnd() ?? Data(), as: UTF8.self)
        try outputReader.close()
    }

    deinit {
        // It cannot be open any more if this fails.
        try? lifeline.close()
    }

    /// `nil` while it runs; 128 + n for signal n.
    var exitStatus: Int32? {
        waited.withLock { known in
            var status: Int32 = 0
            guard known == nil, waitpid(processIdentifier, &status, WNOHANG) == processIdentifier else { return known }
            let signal = status & 0x7F
            known = signal == 0 ? (status >> 8) & 0xFF : 128 + signal
            return known
        }
    }

    private static func pipe() throws -> (reader: FileHandle, writer: FileHandle) {
        var descriptors: [Int32] = [-1, -1]
        guard Foundation.pipe(&descriptors) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return (
            FileHandle(fileDescriptor: descriptors[0], closeOnDealloc: true),
            FileHandle(fileDescriptor: descriptors[1], closeOnDealloc: true)
        )
    }

    /// A child that lives on would hold every connection open that a test closes: sockets do not all close on exec.
    private static func closeAllOnExec() {
        // Without /proc they stay as they are.
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in open.compactMap({ Int32($0) }) where descriptor > 2 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    private static func spawn(_ command: [String], input: FileHandle, output: FileHandle) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.fileDescriptor, 0)
        posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, 1)

        // The threads that run tests block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var handled = sigset_t()
        sigfillset(&handled)
        posix_spawnattr_setsigdefault(&attributes, &handled)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let environment = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
        closeAllOnExec()
        var identifier = pid_t()
        let failure = withCStrings(command) { arguments in
            withCStrings(environment) { posix_spawn(&identifier, command[0], &actions, &attributes, arguments, $0) }
        }
        guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
        return identifier
    }
}

private func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { preconditionFailure("the list ends with a null") }
        return body(start)
    }
}
