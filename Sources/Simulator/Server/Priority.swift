internal import Glibc

/// Raises the priority of this process's threads, if it runs as root; without it nothing changes, which is no error.
///
/// The simulator judges arrival times: it should not wait for the processes that it judges. Linux keeps a priority for
/// each thread, so this comes when the event loops run.
func raisePriority() {
    guard geteuid() == 0, let directory = unsafe opendir("/proc/self/task") else { return }
    defer { unsafe closedir(directory) }
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
            unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        guard let thread = id_t(name) else { continue }
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), thread, -10)
    }
}
