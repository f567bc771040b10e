// SPDX-License-Identifier: Apache-2.0
// Profiles as Go's runtime writes them: profiled DIRECTORY.
package main

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

var kept [][]byte

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func digest(end time.Time) {
	data := make([]byte, 1<<16)
	for time.Now().Before(end) {
		sha256.Sum256(data)
	}
}

func keep() {
	for i := 0; i < 64; i++ {
		kept = append(kept, make([]byte, 1<<17))
	}
}

func contend() {
	var lock sync.Mutex
	var both sync.WaitGroup
	for i := 0; i < 2; i++ {
		both.Add(1)
		go func() {
			defer both.Done()
			for n := 0; n < 20; n++ {
				lock.Lock()
				time.Sleep(time.Millisecond)
				lock.Unlock()
			}
		}()
	}
	both.Wait()
}

func main() {
	runtime.SetMutexProfileFraction(1)
	cpu, err := os.Create(filepath.Join(os.Args[1], "go-cpu.pprof"))
	check(err)
	check(pprof.StartCPUProfile(cpu))
	digest(time.Now().Add(500 * time.Millisecond))
	pprof.StopCPUProfile()
	check(cpu.Close())
	keep()
	contend()
	runtime.GC()
	for _, name := range []string{"heap", "mutex", "goroutine"} {
		file, err := os.Create(filepath.Join(os.Args[1], "go-"+name+".pprof"))
		check(err)
		check(pprof.Lookup(name).WriteTo(file, 0))
		check(file.Close())
	}
}
