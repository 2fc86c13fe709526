! SPDX-License-Identifier: Apache-2.0
! A heat equation in whole numbers, and what is left of it, by threads.
program heat
  use omp_lib
  use iso_fortran_env, only: int64, output_unit
  implicit none
  integer, parameter :: n = 1000, rounds = 160, per_round = 60
  integer(int64), allocatable :: now(:, :), next(:, :)
  integer(int64) :: total
  integer :: i, j, round, step

  allocate (now(0:n + 1, 0:n + 1), next(0:n + 1, 0:n + 1))
  now = 0
  now(0, :) = 1000000
  now(:, 0) = 500000
  next = now
  do round = 1, rounds
    do step = 1, per_round
      !$omp parallel do private(i) schedule(static)
      do j = 1, n
        do i = 1, n
          next(i, j) = (now(i - 1, j) + now(i + 1, j) + now(i, j - 1) + now(i, j + 1)) / 4
        end do
      end do
      !$omp end parallel do
      call swap(now, next)
    end do
    total = 0
    !$omp parallel do reduction(+:total)
    do j = 1, n
      total = total + sum(now(1:n, j))
    end do
    !$omp end parallel do
    write (*, '(a, i0, a, i0, a, i0, a)') 'round ', round, ': ', total, ', ', omp_get_max_threads(), ' threads'
    flush (output_unit)
  end do
contains
  subroutine swap(a, b)
    integer(int64), allocatable, intent(inout) :: a(:, :), b(:, :)
    integer(int64), allocatable :: c(:, :)
    call move_alloc(a, c)
    call move_alloc(b, a)
    call move_alloc(c, b)
  end subroutine
end program
